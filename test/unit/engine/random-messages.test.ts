import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { ENDED_STATUSES } from "../../../runtime/core/events.ts";
import { TestEngine } from "../../support/engine.ts";
import { outputOf, tellings, withPeer, type PeerHandles } from "../../support/with-peer.ts";

/** One thing that a program does at the same time as others. */
type Step = { readonly kind: "exchange" | "pair" | "ask" | "first" | "publish"; readonly n: number };

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("exchange", "pair", "ask", "first", "publish"),
  n: fc.integer({ min: 0, max: 3 }),
});

async function perform({ kind, n }: Step, { agents, askAll, messages }: PeerHandles): Promise<unknown> {
  switch (kind) {
    case "exchange": {
      const { id } = await agents.peer.send({ n });
      return (await messages.receive({ re: id })).body;
    }
    case "pair": {
      // Whichever reply comes first, each is received once.
      const sent = [await agents.peer.send({ n }), await agents.peer.send({ n: n + 10 })];
      const any = sent.map(({ id }) => ({ re: id }));
      const received = await Promise.all(sent.map(() => messages.receive({ any })));
      return received.map(({ body }) => JSON.stringify(body)).sort();
    }
    case "ask":
      return ((await agents.peer.ask({ n })) as { n: number }).n;
    case "first": {
      // Only one of them is ever answered: which one wins must not depend on the order of wakes.
      const { agent } = await askAll({ peer: { n }, other: { n, text: "silent" } }, { wait: "first" });
      return agent;
    }
    case "publish":
      return (await messages.publish("news", { n })).receivers;
  }
}

interface Disturbance {
  /** How many appends each attempt lives; the last ones live on. */
  readonly cuts: readonly number[];
  /** Which of what could be told is told before each attempt. */
  readonly order: readonly number[];
}

async function play(steps: readonly Step[], { cuts, order }: Disturbance, id: string) {
  const engine = new TestEngine();
  engine.messages.topics.set("news", ["peer", "reader"]);
  const compiled = engine.compile(withPeer((handles) => Promise.all(steps.map((one) => perform(one, handles)))));
  const run = await engine.create(
    withPeer(() => Promise.resolve()),
    {},
    { run: id, session: id },
  );
  const told = new Set<string>();
  for (let attempt = 0; attempt < 200; attempt++) {
    let left = cuts[attempt] ?? Infinity;
    engine.memory.cut = () => left-- <= 0;
    const status = await engine.attempt(compiled, run);
    if (status !== "cut" && ENDED_STATUSES.includes(status)) return { engine, events: await engine.events(run), run };
    const open = tellings(engine, run).filter(({ key }) => !told.has(key));
    const next = open[(order[attempt] ?? 0) % Math.max(1, open.length)];
    if (next) {
      told.add(next.key);
      await next.tell();
    }
  }
  throw new Error("It comes to no end.");
}

/** What a run did, apart from the order of what went on at the same time. */
function effects(events: readonly JournalEvent[]): string[] {
  return events
    .flatMap((event) => {
      if (event.type !== "effect_finished" && event.type !== "effect_recorded") return [];
      const { effect, outcome } = event.data;
      // Who came second is withdrawn, wherever it had got to; a message's id is its own.
      const value = outcome.ok ? outcome.value : outcome.error.code;
      const body = typeof value === "object" && value !== null && "body" in value ? value.body : value;
      // Which of two receives that wait for the same got which is free.
      return [`${effect.replace(/#\d+$/, "")} ${JSON.stringify(body)}`];
    })
    .sort();
}

describe("random programs with messages", () => {
  test("cut off at random appends, answered in random order - send each message once and end the same", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 6 }),
        fc.array(fc.nat(10), { maxLength: 12 }),
        fc.uuid(),
        async (steps, cuts, order, id) => {
          const calm = await play(steps, { cuts: [], order: [] }, id);
          const wild = await play(steps, { cuts, order }, id);
          expect(outputOf(wild.events)).toEqual(outputOf(calm.events));
          expect(effects(wild.events)).toEqual(effects(calm.events));
          // Who was cut off before asking the second, and then heard the first, need not ask any more.
          const wanted = ({ engine }: typeof wild) =>
            engine.messages.sent.filter(({ body }) => (body as { text?: string }).text !== "silent");
          const ids = (played: typeof wild): string[] =>
            wanted(played)
              .map(({ id }) => id)
              .sort();
          expect(ids(wild).filter((sent, i, all) => all.indexOf(sent) !== i)).toEqual([]);
          expect(ids(wild)).toEqual(ids(calm));
        },
      ),
      { numRuns: 40 },
    );
  }, 120_000);
});
