import { isDeepStrictEqual } from "node:util";
import {
  AIMessage,
  AIMessageChunk,
  HumanMessage,
  RemoveMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { Command, Overwrite, Send } from "@langchain/langgraph";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "../../../runtime/core/canonical.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";
import { decode, encode } from "../../../runtime/engine/codec.ts";
import { UnrecordableValueError } from "../../../runtime/engine/errors.ts";

/** Through the codec and through text, as the record does it. */
function recorded(value: unknown): unknown {
  return decode(JSON.parse(canonicalJson(encode(value))) as JsonValue);
}

describe("codec", () => {
  test("any plain value - comes back equal, whatever its keys are called", () => {
    const key = fc
      .oneof(fc.string(), fc.constantFrom("$type", "value", "constructor"))
      .filter((k) => k !== "__proto__");
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: "small" },
        fc.string({ unit: "binary" }),
        fc.double(),
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.constant(null),
        fc.constant(undefined),
        fc.bigInt(),
        fc.date({ noInvalidDate: true }),
        fc.uint8Array(),
        fc.array(tie("any")),
        fc.dictionary(key, tie("any"), { noNullPrototype: true }),
        fc.array(tie("any")).map((items) => new Set(items)),
        fc.array(fc.tuple(fc.string(), tie("any"))).map((items) => new Map(items)),
      ),
    })).any;
    // Not `toStrictEqual`, which takes a key called "constructor" for the class.
    fc.assert(
      fc.property(value, (original) => {
        expect(isDeepStrictEqual(recorded(original), original)).toBe(true);
      }),
      { numRuns: 500 },
    );
  }, 60_000);

  test("a list with holes, and errors with odd words - can be recorded", () => {
    const values = [
      [1, , 3],
      new Error("half \ud83d"),
      Object.assign(new Error("x"), { message: new Date(0), name: undefined }),
    ];
    for (const value of values) expect(() => canonicalJson(encode(value))).not.toThrow();
    expect(decode(encode(values[0]))).toEqual([1, undefined, 3]);
    expect(decode(encode(values[1]))).toMatchObject({ message: "half \ud83d" });
  });

  test("an odd string - survives, also with half a surrogate pair and NUL", () => {
    for (const text of ["\ud800", "a\u0000b", "\u202e", "é", ""]) expect(recorded(text)).toBe(text);
  });

  test("LangChain messages - keep their class, id, tool calls and metadata", () => {
    const messages = [
      new HumanMessage({ content: "hi", id: "1" }),
      new SystemMessage("be kind"),
      new AIMessage({
        content: "hm",
        id: "2",
        tool_calls: [{ id: "c", name: "lookup", args: { a: 1 }, type: "tool_call" as const }],
        response_metadata: { model: "m", usage: { input: 1 } },
      }),
      new ToolMessage({ content: "42", tool_call_id: "c", artifact: { big: true } }),
      new RemoveMessage({ id: "1" }),
    ];
    const back = recorded(messages) as typeof messages;
    expect(back.map((message) => message.constructor)).toEqual(messages.map((message) => message.constructor));
    expect(back.map((message) => message.toDict())).toEqual(messages.map((message) => message.toDict()));
  });

  test("a streamed message - is recorded as the whole message that it adds up to", () => {
    const back = recorded(new AIMessageChunk({ content: "hi", id: "3" }));
    expect(back).toBeInstanceOf(AIMessage);
    expect((back as AIMessage).content).toBe("hi");
  });

  test("Command, Send and Overwrite - keep what they say", () => {
    const command = new Command({ goto: [new Send("a", { x: new Date(0) }), "b"], update: { n: 1 } });
    const back = recorded(command) as typeof command;
    expect(back).toBeInstanceOf(Command);
    expect(back.update).toEqual({ n: 1 });
    const [send, next] = back.goto as [Send, string];
    expect(send).toBeInstanceOf(Send);
    expect([send.node, send.args, next]).toEqual(["a", { x: new Date(0) }, "b"]);
    expect((recorded(new Overwrite([1])) as Overwrite<number[]>).value).toEqual([1]);
  });

  test("what cannot be recorded - is refused with its place", () => {
    class Money {
      cents = 1;
    }
    const circle: Record<string, unknown> = {};
    circle["self"] = circle;
    const cases: [unknown, string][] = [
      [{ a: [() => 1] }, "/a/0"],
      [{ price: new Money() }, "/price"],
      [circle, "/self"],
      [{ when: new Date("x") }, "/when"],
    ];
    for (const [value, path] of cases) {
      expect(() => encode(value)).toThrow(UnrecordableValueError);
      expect(() => encode(value)).toThrow(path);
    }
  });
});
