import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hear, KEPT_LENGTH, NOTHING_SAID, stillSaid, type Sayings } from "../../../console/web/live/saying.ts";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import type { ModelWords } from "../../../runtime/core/protocol.ts";

const CALL = { run: "r", effect: "e", node: "1/a", name: "model.chat:clerk" };

/** The pieces of a text as a worker sends them. */
function pieces(texts: readonly string[]): ModelWords[] {
  let offset = 0;
  return texts.map((text) => {
    const words = { ...CALL, offset, text };
    offset += text.length;
    return words;
  });
}

const heard = (words: readonly ModelWords[]): Sayings => words.reduce(hear, NOTHING_SAID);
const event = (type: string, data: object, run = "r"): JournalEvent => ({ type, data, run }) as unknown as JournalEvent;

describe("what a page hears of a model", () => {
  const texts = fc.array(fc.string({ minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 12 });

  it("every piece, some of them twice - is the whole text", () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(3)), (said, twice) => {
        const sent = pieces(said).flatMap((words, i) => (twice[i] === 1 && i > 0 ? [words, words] : [words]));
        expect(heard(sent).get("r/e")).toMatchObject({ text: said.join(""), cut: false });
      }),
    );
  });

  it("some pieces lost - shows an unbroken stretch that was said, and that something is missing", () => {
    fc.assert(
      fc.property(texts, fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), (said, kept) => {
        const sent = pieces(said);
        const saying = heard(sent.filter((_, i) => kept[i])).get("r/e");
        const last = sent.findLastIndex((_, i) => kept[i]);
        if (last < 0) {
          expect(saying).toBeUndefined();
          return;
        }
        const whole = said.slice(0, last + 1).join("");
        expect(saying?.length).toBe(whole.length);
        expect(whole.endsWith(saying?.text ?? "never")).toBe(true);
        expect(saying?.cut).toBe(saying?.text !== whole);
      }),
    );
  });

  it("a call that is made again - begins anew", () => {
    const again = [...pieces(["one ", "two "]), ...pieces(["three"])];
    expect(heard(again).get("r/e")).toMatchObject({ text: "three", cut: false });
  });

  it("a very long text - is kept to its end", () => {
    const saying = heard(pieces(Array.from({ length: 50 }, () => "x".repeat(8000)))).get("r/e");
    expect(saying?.text).toHaveLength(KEPT_LENGTH);
    expect(saying).toMatchObject({ length: 400_000, cut: true });
  });

  it.each([
    ["its recorded end", event("effect_recorded", { effect: "e" })],
    ["its refusal", event("effect_refused", { effect: "e" })],
    ["the end of its run", event("run_failed", {})],
    ["another attempt at its run", event("attempt_started", { epoch: 2 })],
  ])("%s - ends it", (_what, ending) => {
    expect([...stillSaid(heard(pieces(["one"])), [ending]).keys()]).toEqual([]);
  });

  it.each([
    ["the end of another call", event("effect_recorded", { effect: "f" })],
    ["the end of another run", event("run_finished", {}, "other")],
    ["the first attempt, told of late", event("attempt_started", { epoch: 1 })],
  ])("%s - changes nothing", (_what, other) => {
    expect([...stillSaid(heard(pieces(["one"])), [other]).keys()]).toEqual(["r/e"]);
  });
});
