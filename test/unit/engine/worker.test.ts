import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, type AnyAgent } from "signalbox";
import { expect, test } from "vitest";
import { deferred } from "../../../runtime/core/deferred.ts";
import type { Housekeeping } from "../../../runtime/core/housekeeping.ts";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import type { Claim } from "../../../runtime/core/journal.ts";
import { Worker } from "../../../runtime/engine/worker.ts";
import { NO_BUS, TestEngine } from "../../support/engine.ts";
import { MemoryJournal } from "../../support/memory-journal.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

const State = Annotation.Root({ done: Annotation<string>() });
const agent = defineAgent({
  name: "works",
  state: State,
  graph: () =>
    new StateGraph(State)
      .addNode("do", () => ({ done: "yes" }))
      .addEdge(START, "do")
      .addEdge("do", END),
});

const NO_HOUSEKEEPING: Housekeeping = {
  registerWorker: () => Promise.resolve(),
  workerSeen: () => Promise.resolve(),
  workerGone: () => Promise.resolve(),
  workerKey: () => Promise.resolve(null),
  overdue: () => Promise.resolve({ timers: true, leases: true, approvals: true, turns: true, messages: true }),
  freeLeftBehind: () => Promise.resolve(),
  suspectsWait: () => Promise.resolve(false),
  wakeDueRuns: () => Promise.resolve(),
  expireApprovals: () => Promise.resolve(),
  messageReceived: () => Promise.resolve(),
  unreceivedMessages: () => Promise.resolve([]),
  hasRuleSet: () => Promise.resolve(true),
  keepRuleSet: () => Promise.resolve(),
};

/** A journal whose next answer to a claim comes when the test says so. */
class SlowClaims extends MemoryJournal {
  readonly asked = deferred<undefined>();
  readonly answer = deferred<undefined>();

  override async claim(runs: readonly string[]): Promise<Claim[]> {
    const claims = await super.claim(runs);
    this.asked.resolve(undefined);
    await this.answer.promise;
    return claims;
  }
}

/** A worker with one slot on this journal, which has just been told of a run of this agent. */
async function workerOn(journal: MemoryJournal, of: AnyAgent, housekeeping: Partial<Housekeeping> = {}) {
  const engine = new TestEngine({ journal });
  const run = await engine.create(of, {});
  let wake: (runs: readonly string[]) => Promise<void> = () => Promise.resolve();
  const worker = new Worker({
    ...engine.services,
    agents: new Map([[of.name, engine.compile(of)]]),
    bus: {
      ...NO_BUS,
      onWake: (_agent, handler) => {
        wake = handler;
        return Promise.resolve();
      },
    },
    housekeeping: { ...NO_HOUSEKEEPING, ...housekeeping },
    slots: 1,
    take: "all",
    sweepMs: 60_000,
  });
  await worker.start();
  return { engine, worker, run, waking: wake([run]), wake };
}

async function workerWithAClaimUnderWay() {
  const journal = new SlowClaims();
  const started = await workerOn(journal, agent);
  await journal.asked.promise;
  return { journal, ...started };
}

test("a worker that is stopped while a claim is under way - does what it claimed before it has stopped", async () => {
  const { journal, worker, run, waking } = await workerWithAClaimUnderWay();
  const stopping = worker.stop(60_000);
  journal.answer.resolve(undefined);
  await stopping;
  await waking;
  expect(journal.runs.get(run)?.status).toBe("finished");
});

test("a worker that is cut off while it reads a run's record - calls nothing", async () => {
  const reading = deferred<undefined>();
  const read = deferred<undefined>();
  class SlowRecord extends MemoryJournal {
    override async read(run: string, after?: number): Promise<JournalEvent[]> {
      reading.resolve(undefined);
      await read.promise;
      return super.read(run, after);
    }
  }
  const { called, put } = notingTools();
  const journal = new SlowRecord();
  const { worker, run, waking } = await workerOn(
    journal,
    oneNode({ put }, ({ tools }) => tools.put({ id: "p" })),
  );
  await reading.promise;
  const stopping = worker.stop(1);
  await waking;
  await stopping;
  read.resolve(undefined);
  await expect.poll(() => journal.runs.get(run)?.status).toBe("ready");
  expect(called).toEqual([]);
});

test("a worker with fewer slots than runs - takes no hint twice and does them all, one after the other", async () => {
  const gate = deferred<undefined>();
  const { called, put } = notingTools();
  const journal = new MemoryJournal();
  const agent = oneNode({ put }, async ({ tools }, input) => {
    await gate.promise;
    return tools.put({ id: String(input) });
  });
  const { engine, wake } = await workerOn(journal, agent);
  const more = await Promise.all([1, 2, 3].map((n) => engine.create(agent, { input: n })));
  // Nobody waits with a hint in the hand: whoever has a slot finds the run in the database.
  await wake(more);
  gate.resolve(undefined);
  await expect
    .poll(() => more.map((run) => journal.runs.get(run)?.status), { timeout: 5_000 })
    .toEqual(more.map(() => "finished"));
  expect(called.toSorted()).toEqual(["1", "2", "3", "undefined"]);
});

test("a worker whose time to drain is up while a claim is under way - gives back what it claimed, untouched", async () => {
  const { journal, worker, run, waking } = await workerWithAClaimUnderWay();
  await worker.stop(1);
  journal.answer.resolve(undefined);
  await waking;
  await expect.poll(() => journal.runs.get(run)?.status).toBe("ready");
  expect(journal.runs.get(run)?.events.map((event) => event.type)).toEqual(["run_started"]);
});

test.each(["wakeDueRuns", "workerGone"] as const)(
  "a worker - stops within its time though %s never comes back",
  async (never) => {
    const asked = deferred<undefined>();
    const hangs = (): Promise<void> => {
      asked.resolve(undefined);
      return new Promise(() => undefined);
    };
    const { worker, waking } = await workerOn(new MemoryJournal(), agent, { [never]: hangs });
    await waking;
    const stopping = worker.stop(1);
    await asked.promise;
    await stopping;
  },
);
