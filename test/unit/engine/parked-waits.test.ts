import { Annotation, Send, START, StateGraph } from "@langchain/langgraph";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Wait } from "../../../runtime/core/events.ts";
import { parkedWith, waitsOf } from "../../../runtime/core/parked-waits.ts";
import type { GraphBuilder } from "../../../agents/define-agent.ts";
import type { WaitingWorld } from "../../support/graphs.ts";
import { ShapeRun, shapeAgent } from "../../support/shapes.ts";

const NAMES = Array.from("abcdefghijklmnop");
const wait = fc
  .tuple(fc.constantFrom(...NAMES), fc.nat(2))
  .map(([effect, dueAt]): Wait => ({ kind: "turn", effect, of: "scarce", dueAt }));
const waitLists = fc.array(fc.uniqueArray(wait, { selector: ({ effect }) => effect, size: "+1" }), { maxLength: 12 });

function sorted(waits: readonly Wait[]): Wait[] {
  return [...waits].sort((a, b) => (a.effect < b.effect ? -1 : 1));
}

describe("what a park records", () => {
  test("is enough, with what was recorded before, to know all that the run waits for", () => {
    let short = 0;
    fc.assert(
      fc.property(waitLists, (lists) => {
        let before: readonly Wait[] | null = null;
        for (const waits of lists) {
          const parked = parkedWith(before, waits);
          if (parked.over) short++;
          expect(parked.waits.length + (parked.over?.length ?? 0)).toBeLessThanOrEqual(waits.length);
          before = waitsOf(parked, before);
          expect(sorted(before)).toEqual(sorted(waits));
        }
      }),
    );
    expect(short).toBeGreaterThan(20);
  });

  const doubts = NAMES.slice(0, 10).map((effect): Wait => ({ kind: "doubt", effect }));

  test("is what is new and what is over, where it is much", () => {
    const timer: Wait = { kind: "timer", effect: "k", dueAt: 1 };
    expect(parkedWith(doubts, [...doubts.slice(1), timer])).toEqual({ waits: [timer], over: ["a"] });
    expect(parkedWith(doubts, doubts)).toEqual({ waits: [], over: [] });
  });

  test("where one effect waits for two things - is all of it", () => {
    const waits: Wait[] = [{ kind: "timer", effect: "a", dueAt: 1 }, ...doubts];
    expect(parkedWith(doubts, waits)).toEqual({ waits });
    expect(parkedWith(waits, waits)).toEqual({ waits });
  });

  test("without the park before it, or where it is little - is all of it", () => {
    expect(parkedWith(null, doubts)).toEqual({ waits: doubts });
    const few = doubts.slice(0, 8);
    expect(parkedWith(few, few)).toEqual({ waits: few });
  });
});

/** So many branches, each of which asks a person. */
function branches(count: number): (world: WaitingWorld) => GraphBuilder {
  const State = Annotation.Root({
    id: Annotation<string>(),
    said: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
  });
  return (world) =>
    new StateGraph(State)
      .addNode("branch", async ({ id }: typeof State.State) => ({ said: [await world.person(id)] }))
      .addConditionalEdges(START, () =>
        Array.from({ length: count }, (_, i) => new Send("branch", { id: `branch ${String(i).padStart(3, "0")}` })),
      );
}

/** The bytes of all parks of a run whose branches are answered one by one. */
async function bytesOfParks(count: number): Promise<number> {
  const run = await new ShapeRun((called) => shapeAgent(branches(count), { called })).start({});
  for (let left = count; left > 0; left--) {
    expect(await run.go()).toBe("parked");
    const questions = await run.questions();
    const waits = await run.waits();
    expect(sorted(waits).map(({ effect }) => effect)).toEqual(questions.map(({ effect }) => effect).sort());
    expect(waits).toHaveLength(left);
    await run.answer(questions[left % questions.length], { answer: left });
  }
  expect(await run.go()).toBe("finished");
  const parks = (await run.events()).filter(({ type }) => type === "run_parked");
  expect(parks).toHaveLength(count);
  return parks.reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
}

test("a run that waits for many things, which come one by one - writes each of them once, not all that are left", async () => {
  const [few, many] = [await bytesOfParks(12), await bytesOfParks(48)];
  // Four times as many waits, and with what any park has, not much more than four times the bytes: not sixteen times.
  expect(many / few).toBeLessThan(5);
}, 30_000);
