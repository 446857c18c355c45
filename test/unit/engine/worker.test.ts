import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent } from "signalbox";
import { expect, test } from "vitest";
import { deferred } from "../../../runtime/core/deferred.ts";
import type { Housekeeping } from "../../../runtime/core/housekeeping.ts";
import type { Claim } from "../../../runtime/core/journal.ts";
import { Worker } from "../../../runtime/engine/worker.ts";
import { NO_BUS, TestEngine } from "../../support/engine.ts";
import { MemoryJournal } from "../../support/memory-journal.ts";

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
  wakeDueRuns: () => Promise.resolve(),
  expireApprovals: () => Promise.resolve(),
  messageReceived: () => Promise.resolve(),
  unreceivedMessages: () => Promise.resolve([]),
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

async function workerWithAClaimUnderWay() {
  const journal = new SlowClaims();
  const engine = new TestEngine({ journal });
  const run = await engine.create(agent, {});
  let wake: (runs: readonly string[]) => Promise<void> = () => Promise.resolve();
  const worker = new Worker({
    ...engine.services,
    agents: new Map([[agent.name, engine.compile(agent)]]),
    bus: {
      ...NO_BUS,
      onWake: (_agent, handler) => {
        wake = handler;
        return Promise.resolve();
      },
    },
    housekeeping: NO_HOUSEKEEPING,
    slots: 1,
    sweepMs: 60_000,
  });
  await worker.start();
  const waking = wake([run]);
  await journal.asked.promise;
  return { journal, worker, run, waking };
}

test("a worker that is stopped while a claim is under way - does what it claimed before it has stopped", async () => {
  const { journal, worker, run, waking } = await workerWithAClaimUnderWay();
  const stopping = worker.stop(60_000);
  journal.answer.resolve(undefined);
  await stopping;
  await waking;
  expect(journal.runs.get(run)?.status).toBe("finished");
});

test("a worker whose time to drain is up while a claim is under way - gives back what it claimed, untouched", async () => {
  const { journal, worker, run, waking } = await workerWithAClaimUnderWay();
  await worker.stop(1);
  journal.answer.resolve(undefined);
  await waking;
  await expect.poll(() => journal.runs.get(run)?.status).toBe("ready");
  expect(journal.runs.get(run)?.events.map((event) => event.type)).toEqual(["run_started"]);
});
