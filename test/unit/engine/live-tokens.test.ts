import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MAX_TOKEN_TEXT, type TokenFrame } from "../../../runtime/core/bus.ts";
import { LiveTokens } from "../../../runtime/engine/live-tokens.ts";
import { TestEngine } from "../../support/engine.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";
import { asksFor, ScriptedModel, type Script } from "../../support/scripted-model.ts";

const CALL = { session: "s", run: "r", effect: "e", node: "n", name: "model.chat:clerk" };

describe("the frames of one call", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("many small pieces - are at most 20 frames a second, and together what was said", () => {
    const frames: TokenFrame[] = [];
    const live = new LiveTokens(CALL, (frame) => frames.push(frame));
    for (let i = 0; i < 1000; i++) {
      live.say(`${String(i)} `);
      vi.advanceTimersByTime(1);
    }
    expect(frames.length).toBeGreaterThan(10);
    expect(frames.length).toBeLessThanOrEqual(20);
    live.end();
    expect(frames.map(({ text }) => text).join("")).toBe(
      Array.from({ length: 1000 }, (_, i) => `${String(i)} `).join(""),
    );
    let length = 0;
    for (const { offset, text } of frames) {
      expect(offset).toBe(length);
      length += text.length;
    }
    expect(frames.map(({ done }) => done === true)).toEqual([...frames.slice(1).map(() => false), true]);
  });

  test("a lot at once - is one bounded frame with the newest of it, and says where that begins", () => {
    const frames: TokenFrame[] = [];
    const live = new LiveTokens(CALL, (frame) => frames.push(frame));
    live.say("a".repeat(100_000));
    live.say("the end");
    live.end();
    expect(frames).toHaveLength(1);
    expect(frames[0]?.text).toHaveLength(MAX_TOKEN_TEXT);
    expect(frames[0]).toMatchObject({ ...CALL, offset: 100_007 - MAX_TOKEN_TEXT, done: true });
    expect(frames[0]?.text.endsWith("the end")).toBe(true);
  });

  test("a call that says nothing - sends nothing, and nothing is left behind", () => {
    const frames: TokenFrame[] = [];
    const live = new LiveTokens(CALL, (frame) => frames.push(frame));
    live.say("");
    live.end();
    vi.runAllTimers();
    expect([frames, vi.getTimerCount()]).toEqual([[], 0]);
  });
});

describe("a model call in a run", () => {
  const start = (script: Script) => {
    const frames: TokenFrame[] = [];
    const model = new ScriptedModel(script);
    const { called: _, ...tools } = notingTools();
    const engine = new TestEngine({
      handles: { models: new Map([["clerk", model]]), tokens: (frame) => frames.push(frame) },
    });
    return { frames, model, engine, tools };
  };

  test("its words go out under the key that the record will have, and a replay says nothing again", async () => {
    const { frames, engine, tools, model } = start(({ nth }) =>
      nth === 0 ? "one two three" : asksFor(["pay", { id: "p" }, "c"]),
    );
    const agent = oneNode(tools, async ({ langchain, tools }) => {
      await langchain.model("clerk").invoke("Go.");
      await langchain.model("clerk").invoke("Go on.");
      engine.memory.cut = () => cuts-- > 0;
      await tools.pay({ id: "p" });
      return "done";
    });
    let cuts = 1;
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("cut");
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(model.calls).toHaveLength(2);
    const recorded = (await engine.events(run)).flatMap((event) =>
      event.type === "effect_recorded" ? [event.data] : [],
    );
    const said = (effect: string | undefined): string =>
      frames
        .filter((frame) => frame.effect === effect)
        .map(({ text }) => text)
        .join("");
    expect(said(recorded[0]?.effect)).toBe("one two three");
    expect(said(recorded[1]?.effect)).toBe('\npay {"id":"p"}');
    expect(frames.at(0)).toMatchObject({ session: run, run, node: "1/node", name: "model.chat:clerk", offset: 0 });
    expect(frames.filter(({ done }) => done)).toHaveLength(2);
  });

  test("the small form of a call on a LangChain model - streams too", async () => {
    const { frames, engine, tools } = start(() => "one two");
    const agent = oneNode(tools, ({ models }) => models.get("clerk")?.chat({ prompt: "Go." }));
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("finished");
    expect(frames.map(({ text }) => text).join("")).toBe("one two");
  });

  test("a call that fails half-way - ends its words", async () => {
    const { frames, engine, tools, model } = start(() => "one two");
    model.between = () => Promise.reject(new Error("Cut off."));
    const agent = oneNode(tools, ({ langchain }) => langchain.model("clerk").invoke("Go."));
    const run = await engine.create(agent, {});
    expect(await engine.runOn(engine.compile(agent), run)).toBe("failed");
    expect(frames).toMatchObject([{ text: "one ", done: true }]);
  });
});
