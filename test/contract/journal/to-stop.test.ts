import { describe, expect, test } from "vitest";
import { createHousekeeping } from "../../../runtime/journal/housekeeping.ts";
import { newRun } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one } = useJournals();

let agents = 0;

/** A run of an agent of its own that somebody has taken and given back, and that is cancelled now. */
async function cancelledRun(version = "1") {
  const agent = `agent-${String(++agents)}`;
  const run = newRun({ agent, version });
  const claim = await one.journal.create(run, { worker: "gone", leaseMs: 60_000 });
  if (!claim) throw new Error("It is there already.");
  await one.journal.release(claim.head);
  await one.journal.deliver(run.run, { id: "c", kind: "cancel", data: {} });
  return { agent, run: run.run };
}

async function live(worker: string, agent: string, version: string): Promise<void> {
  const versions = new Map([[agent, version]]);
  await createHousekeeping(one.database).registerWorker({ worker, publicKey: "k", leaseMs: 60_000, versions });
}

/** What a worker with this agent gets: named, and of all there is. */
async function taken(agent: string, version: string, run: string): Promise<string[]> {
  const who = { worker: "w", leaseMs: 60_000, versions: new Map([[agent, version]]), take: "all" } as const;
  const claims = [
    ...(await one.journal.claimAny({ ...who, limit: 10, olderThanMs: 0 })),
    ...(await one.journal.claim([run], who)),
  ];
  return claims.map(({ head }) => head.run).filter((claimed) => claimed === run);
}

describe("a run that is to be stopped", () => {
  test("of an agent that nobody has - is taken by anybody", async () => {
    const { run } = await cancelledRun();
    expect(await taken("other", "1", run)).toEqual([run]);
  });

  test("of an agent that a live worker has - is left to that one, who can ask its tools", async () => {
    const { agent, run } = await cancelledRun();
    await live(`has-${agent}`, agent, "1");
    expect(await taken("other", "1", run)).toEqual([]);
    expect(await taken(agent, "1", run)).toEqual([run]);
  });

  test("of a version that no live worker has - is left to one that has another version", async () => {
    const { agent, run } = await cancelledRun();
    await live(`has-${agent}`, agent, "2");
    expect(await taken("other", "1", run)).toEqual([]);
    expect(await taken(agent, "2", run)).toEqual([run]);
  });

  test("of a version that a live worker has - is not taken by one that has another version", async () => {
    const { agent, run } = await cancelledRun();
    await live(`old-${agent}`, agent, "1");
    await live(`new-${agent}`, agent, "2");
    expect(await taken(agent, "2", run)).toEqual([]);
    expect(await taken(agent, "1", run)).toEqual([run]);
  });

  test("whose worker has said goodbye, or gives no sign - is taken by anybody", async () => {
    const { agent, run } = await cancelledRun();
    await live(`has-${agent}`, agent, "1");
    await createHousekeeping(one.database).workerGone(`has-${agent}`);
    expect(await taken("other", "1", run)).toEqual([run]);
    const silent = await cancelledRun();
    await live(`has-${silent.agent}`, silent.agent, "1");
    await one.database.query(
      "update workers set seen_at = clock_timestamp() - interval '61 seconds' where worker_id = $1",
      [`has-${silent.agent}`],
    );
    expect(await taken("other", "1", silent.run)).toEqual([silent.run]);
  });

  test("that the worker with its agent leaves lying - is taken by anybody after a while", async () => {
    const { agent, run } = await cancelledRun();
    await live(`has-${agent}`, agent, "1");
    expect(await taken("other", "1", run)).toEqual([]);
    await one.database.query(
      "update runs set stop_at = stop_at - interval '31 seconds', ready_at = ready_at - interval '31 seconds' where run_id = $1",
      [run],
    );
    expect(await taken("other", "1", run)).toEqual([run]);
  });

  test("that no worker has ever taken - has no calls, and is taken by anybody", async () => {
    const agent = `agent-${String(++agents)}`;
    const { run } = newRun();
    await one.journal.create(newRun({ run, agent, version: null }));
    await one.journal.deliver(run, { id: "c", kind: "cancel", data: {} });
    await live(`has-${agent}`, agent, "1");
    expect(await taken("other", "1", run)).toEqual([run]);
  });
});
