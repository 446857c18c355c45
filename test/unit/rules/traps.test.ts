import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { JsonValue } from "../../../runtime/core/json.ts";
import type { ProposedCall } from "../../../runtime/core/judge.ts";
import { verdictSchema } from "../../../runtime/core/verdict.ts";
import { compile, inputSchema, PERMIT, REFUND_INPUT, refundCall, tool } from "./support.ts";

const head = `(principal, action == Action::"payments.refund", resource)`;
/** Looks at everything, so that all of the input reaches Cedar. */
const CURIOUS = `${PERMIT}
  @id("curious") @reason("No.") forbid ${head}
  when { context.input.orderId == "forbidden" || context.input.tags.contains("forbidden") ||
         context.input.amountCents > 1000000 || context.run.session == "forbidden" ||
         (context.input has note && context.input.note == "forbidden") };`;
const rules = compile(CURIOUS);

/** The fault of a call that must be denied, in a verdict that can be recorded. */
function faultOf(call: unknown, judge = rules): string | undefined {
  const verdict = judge.judge(call as ProposedCall);
  expect(verdict.decision).toBe("deny");
  expect(verdict.ruleSet).toBe(judge.hash);
  expect(verdict.reason).toMatch(/^\S.*\S$/);
  verdictSchema.parse(verdict);
  return verdict.fault;
}

const withInput = (input: unknown): ProposedCall => refundCall({}, { input: input as JsonValue });

describe("a rule that fails", () => {
  const overflow = "context.input.amountCents * 9223372036854775807 > 5";

  test("forbids, although Cedar would skip it and allow the call", () => {
    const failing = compile(`${PERMIT}@id("over") @reason("Too much.") forbid ${head} when { ${overflow} };`);
    const verdict = failing.judge(refundCall({ amountCents: 2 }));
    expect(verdict).toMatchObject({
      decision: "deny",
      fault: "rule_error",
      rules: [{ id: "over", effect: "deny", reason: "Too much." }],
    });
    expect(verdict.reason).toContain('The rule "over" failed');
    expect(failing.judge(refundCall({ amountCents: 0 })).decision).toBe("allow");
  });

  test("forbids also where it would have permitted, or asked for approval", () => {
    const permits = compile(`${PERMIT}@id("over") permit ${head} when { ${overflow} };`);
    expect(faultOf(refundCall({ amountCents: 2 }), permits)).toBe("rule_error");
    const asks = compile(
      `${PERMIT}@id("over") @reason("x") @effect("require_approval") @pool("p") forbid ${head} when { ${overflow} } unless { context.approval.satisfied };`,
    );
    expect(faultOf(refundCall({ amountCents: 2 }), asks)).toBe("rule_error");
  });

  test("does not quote the call in what is recorded", () => {
    const failing = compile(`${PERMIT}@id("over") @reason("Too much.") forbid ${head} when { ${overflow} };`);
    expect(failing.judge(refundCall({ amountCents: 31_337 })).reason).not.toContain("31337");
  });
});

describe("keys that smuggle entities into a call", () => {
  const smuggled = [
    { __entity: { type: "Agent", id: "refunds" } },
    { __extn: { fn: "decimal", arg: "1.0" } },
    { __expr: "true" },
    JSON.parse(`{"__proto__": {"orderId": "x"}}`) as unknown,
  ];

  test("are refused instead of the value of a field", () => {
    for (const value of smuggled) expect(faultOf(withInput({ ...REFUND_INPUT, orderId: value }))).toBe("reserved_key");
  });

  test("are refused as the whole input, in lists, and deep in what rules cannot see", () => {
    for (const value of smuggled) {
      expect(faultOf(withInput(value))).toBe("reserved_key");
      expect(faultOf(withInput({ ...REFUND_INPUT, tags: [value] }))).toBe("reserved_key");
      expect(faultOf(withInput({ ...REFUND_INPUT, extra: [{ a: { b: value } }] }))).toBe("reserved_key");
    }
  });

  test("are named, with their place, and their value is not", () => {
    const verdict = rules.judge(withInput({ ...REFUND_INPUT, extra: { a: [{ __entity: "secret" }] } }));
    expect(verdict.reason).toContain('"extra/a/0/__entity"');
    expect(verdict.reason).not.toContain("secret");
  });

  test("are refused for a tool whose schema declares them", () => {
    const odd = {
      kind: "tool" as const,
      name: "a.b",
      input: { type: "object", properties: { __entity: { type: "string" } } },
    };
    const call = refundCall({}, { action: "a.b", resource: "a.b", input: { __entity: "x" } });
    expect(faultOf(call, compile(PERMIT, [odd]))).toBe("reserved_key");
  });

  test("the same words as values are harmless", () => {
    expect(rules.judge(refundCall({ orderId: "__entity", tags: ["__extn"] })).decision).toBe("allow");
  });
});

describe("an input that is not of its schema", () => {
  test.each<[string, unknown]>([
    ["text for a number", { ...REFUND_INPUT, amountCents: "5" }],
    ["a fraction", { ...REFUND_INPUT, amountCents: 1.5 }],
    ["an integer that JavaScript rounds", { ...REFUND_INPUT, amountCents: 2 ** 53 }],
    ["an integer beyond Cedar's", { ...REFUND_INPUT, amountCents: 2 ** 64 }],
    ["NaN", { ...REFUND_INPUT, amountCents: Number.NaN }],
    ["infinity", { ...REFUND_INPUT, rate: Infinity }],
    ["a bigint", { ...REFUND_INPUT, amountCents: 5n }],
    ["null for what is required", { ...REFUND_INPUT, orderId: null }],
    ["nothing for what is required", { amountCents: 5, tags: [] }],
    ["an unknown property", { ...REFUND_INPUT, amountcents: 5 }],
    ["undefined", { ...REFUND_INPUT, note: undefined }],
    ["a list for an object", [REFUND_INPUT]],
    ["null", null],
    ["nothing", undefined],
    ["a hole in a list", { ...REFUND_INPUT, tags: new Array(1) }],
    ["a date", { ...REFUND_INPUT, extra: new Date(0) }],
    ["a map", { ...REFUND_INPUT, extra: new Map([["__entity", 1]]) }],
    ["a function", { ...REFUND_INPUT, extra: { toJSON: () => ({ __entity: 1 }) } }],
    ["half of a surrogate pair", { ...REFUND_INPUT, note: "\ud800" }],
    ["half of a surrogate pair in a key", { ...REFUND_INPUT, extra: { "\udc00": 1 } }],
    ["a number for a list's text", { ...REFUND_INPUT, tags: ["a", 5] }],
  ])("%s", (_, input) => {
    expect(faultOf(withInput(input))).toBe("invalid_input");
  });

  test("is named by its place", () => {
    expect(rules.judge(withInput({ ...REFUND_INPUT, tags: ["a", 5] })).reason).toContain('"tags" / "1"');
  });
});

describe("odd text", () => {
  test.each([
    "",
    "\0",
    "a\0b",
    "\u202eevil",
    "ﬁ",
    "e\u0301",
    "👩‍⚖️",
    "\uffff",
    "\u2028",
    '"; permit(principal, action, resource);',
  ])("%j is only text", (text) => {
    expect(rules.judge(refundCall({ note: text, orderId: text, tags: [text] })).decision).toBe("allow");
    expect(rules.judge(refundCall({ note: "forbidden", orderId: text })).decision).toBe("deny");
  });

  test("text that only looks alike is not the same", () => {
    const exact = compile(`@id("a") permit ${head} when { context.input.orderId == "é" };`);
    expect(exact.judge(refundCall({ orderId: "\u00e9" })).decision).toBe("allow");
    expect(exact.judge(refundCall({ orderId: "e\u0301" })).decision).toBe("deny");
  });
});

describe("a huge input", () => {
  test("is refused where rules look at it", () => {
    expect(faultOf(refundCall({ note: "x".repeat(5_000_000) }))).toBe("input_too_large");
    expect(faultOf(refundCall({ tags: Array.from({ length: 200_000 }, (_, i) => `t${String(i)}`) }))).toBe(
      "input_too_large",
    );
  });

  test("is no trouble where rules do not look at it", () => {
    const incurious = compile(PERMIT);
    expect(incurious.judge(refundCall({ note: "x".repeat(5_000_000) })).decision).toBe("allow");
  });

  test("is refused when it is too deep, however deep", () => {
    for (const depth of [101, 1_000, 100_000]) {
      let deep: JsonValue = 1;
      for (let i = 0; i < depth; i++) deep = { a: deep };
      expect(faultOf(withInput({ ...REFUND_INPUT, extra: deep }))).toBe("input_too_large");
    }
  });

  test("is refused when it contains itself", () => {
    const loop: Record<string, unknown> = { ...REFUND_INPUT };
    loop["extra"] = loop;
    expect(faultOf(withInput(loop))).toBe("input_too_large");
  });
});

describe("a call that is no call", () => {
  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["no run", { ...refundCall(), run: undefined }],
    ["no approval", { ...refundCall(), approval: undefined }],
    ["an approval that is merely truthy", { ...refundCall(), approval: { satisfied: "yes" } }],
    ["a depth that is no number", { ...refundCall(), run: { ...refundCall().run, depth: "0" } }],
    ["a starter without a name", { ...refundCall(), run: { ...refundCall().run, startedBy: { kind: "person" } } }],
  ])("%s", (_, call) => {
    expect(["engine_error", "invalid_input"]).toContain(faultOf(call));
  });

  test("a fault inside the rules engine is a deny, and the next call is judged as ever", () => {
    const session = "\ud800"; // Cedar's reader of JSON throws at this
    expect(faultOf({ ...refundCall(), run: { ...refundCall().run, session } })).toBe("engine_error");
    expect(rules.judge(refundCall()).decision).toBe("allow");
  });

  test("an input with a getter that throws", () => {
    const input = Object.defineProperty({ ...REFUND_INPUT }, "note", {
      enumerable: true,
      get() {
        throw new Error("secret");
      },
    });
    expect(faultOf(withInput(input))).toBe("engine_error");
    expect(rules.judge(withInput(input)).reason).not.toContain("secret");
  });
});

test("two rule sets with the same names never judge for each other", () => {
  const lenient = compile(PERMIT);
  expect(lenient.judge(refundCall()).decision).toBe("allow");
  const strict = compile(`@id("permit") @reason("No.") forbid (principal, action, resource);`);
  const looser = compile(PERMIT, [tool("payments.refund", z.looseObject({}))]);
  expect(strict.judge(refundCall()).decision).toBe("deny");
  expect(lenient.judge(refundCall()).decision).toBe("allow");
  expect(looser.judge(withInput({ anything: true })).decision).toBe("allow");
  expect(strict.judge(refundCall()).decision).toBe("deny");
  expect(faultOf(withInput({ anything: true }), lenient)).toBe("invalid_input");
});

test("a tool whose input is no object is judged without its input", () => {
  const text = { kind: "tool" as const, name: "a.b", input: inputSchema(z.string()) };
  const call = refundCall({}, { action: "a.b", resource: "a.b", input: "just text" });
  expect(compile(PERMIT, [text]).judge(call).decision).toBe("allow");
  expect(compile(undefined, [text]).judge(call).decision).toBe("deny");
});
