import { mkdtemp } from "node:fs/promises";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JournalEvent } from "../../../runtime/core/events.ts";
import { bankProject, payments } from "../../support/bank-project.ts";
import { startTestPlatform, type TestPlatform } from "../../support/platform.ts";
import { spawnSupport, until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

const LEASE_MS = 600;

let platform: TestPlatform;
let rules: URL;
const killed: ChildProcess[] = [];

beforeAll(async () => {
  platform = await startTestPlatform();
  rules = await rulesFile(PERMIT_ALL);
});
afterAll(async () => {
  for (const child of killed) child.kill("SIGKILL");
  await platform[Symbol.asyncDispose]();
});

/** Starts a run on a worker of its own process, which stops in mid-call, and gives the process. */
async function inMidCall(reconcile: boolean, hold: "before" | "after") {
  const ledger = join(await mkdtemp(join(tmpdir(), "signalbox-ledger-")), "ledger");
  const child = spawnSupport("bank-worker-process.ts", [
    platform.databaseUrl,
    platform.nats.url,
    ledger,
    rules.href,
    reconcile ? "yes" : "no",
    hold,
  ]);
  killed.push(child);
  if (!child.stdout) throw new Error("The worker has no output.");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("ready");
  const project = bankProject({ ledger, rules, reconcile });
  const run = await platform.start(project, "bank", { id: hold });
  expect((await lines.next()).value).toBe("held");
  return { child, project, run, ledger };
}

/** The worker of the first attempt. */
function workerOf(events: readonly JournalEvent[]): string {
  const first = events.find(({ type }) => type === "attempt_started");
  return first?.type === "attempt_started" ? first.data.worker : "";
}

function effectTypes(events: readonly JournalEvent[]): string[] {
  return events.map(({ type }) => type).filter((type) => type.startsWith("effect_"));
}

describe("a worker process that is killed in mid-call", () => {
  test.each(["before", "after"] as const)(
    "irreversible with reconcile, %s the payment - it is paid exactly once",
    async (hold) => {
      const { child, project, run, ledger } = await inMidCall(true, hold);
      child.kill("SIGKILL");
      await once(child, "exit");
      // A worker without a core for as long as its lease begins again, before it has called anything.
      const before = effectTypes(await platform.journal.read(run));
      expect(before[0]).toBe("effect_intended");
      await using _other = await platform.worker(project, { limits: { leaseMs: LEASE_MS } });
      const events = await platform.reach(run, "finished");
      expect(await payments(ledger)).toHaveLength(1);
      expect(effectTypes(events).slice(before.length)).toEqual(
        hold === "after" ? ["effect_finished"] : ["effect_repeated", "effect_finished"],
      );
    },
  );

  test("irreversible without reconcile - waits for a person, who says that it happened", async () => {
    const { child, project, run, ledger } = await inMidCall(false, "after");
    child.kill("SIGKILL");
    await once(child, "exit");
    await using _other = await platform.worker(project, { limits: { leaseMs: LEASE_MS } });
    const parked = await platform.reach(run, "parked");
    const doubt = parked.findLast(({ type }) => type === "effect_doubted");
    if (doubt?.type !== "effect_doubted") throw new Error("Nothing is in doubt.");
    const { effect } = doubt.data;
    await platform.resolve({
      run,
      effect,
      resolution: "happened",
      result: { key: "from the bank" },
      reason: "I called them.",
    });
    const events = await platform.reach(run, "finished");
    expect(events.at(-1)?.data).toMatchObject({ output: { key: "from the bank" } });
    expect(await payments(ledger)).toHaveLength(1);
    const [row] = await platform.database.query<{ open: number }>(
      "select count(*)::int as open from doubts where run_id = $1 and resolved_at is null",
      [run],
    );
    expect(row?.open).toBe(0);
  });
});

describe("a worker process that stands still and comes back", () => {
  test("after another one took over - calls nothing more, and what it brings is refused", async () => {
    const { child, project, run, ledger } = await inMidCall(true, "before");
    child.kill("SIGSTOP");
    await using _other = await platform.worker(project, { limits: { leaseMs: LEASE_MS } });
    const events = await platform.reach(run, "finished");
    const [continued] = await platform.database.query<{ at: Date }>("select clock_timestamp() as at");
    child.kill("SIGCONT");
    // It renews its leases, is told that it has none, and is seen alive: from then on it knows.
    await until(async () => {
      const [row] = await platform.database.query<{ alive: boolean }>(
        "select seen_at > $2 as alive from workers where worker_id = $1",
        [workerOf(events), continued?.at],
      );
      return row?.alive === true;
    });
    expect(await platform.journal.read(run)).toEqual(events);
    expect((await payments(ledger)).filter((line) => line.startsWith("before"))).toHaveLength(1);
    child.kill("SIGKILL");
  });
});
