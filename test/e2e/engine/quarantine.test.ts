import { once } from "node:events";
import { createInterface } from "node:readline";
import type { ChildProcess } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createServices } from "../../../runtime/platform/console-services.ts";
import { crashingProject } from "../../support/crashing-project.ts";
import { OLGA, startTestPlatform, type TestPlatform } from "../../support/platform.ts";
import { spawnSupport, until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

const rules = await rulesFile(PERMIT_ALL);
const project = crashingProject({ rules, mended: true });
const children: ChildProcess[] = [];
let platform: TestPlatform;

beforeAll(async () => {
  platform = await startTestPlatform();
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await platform[Symbol.asyncDispose]();
});

/** A worker process that crashes with the poison, and the lines that it prints once it is ready. */
async function crashingWorker(take: "sound" | "suspects", holds: boolean) {
  const child = spawnSupport("crashing-worker-process.ts", [
    platform.databaseUrl,
    platform.nats.url,
    rules.href,
    take,
    holds ? "yes" : "no",
  ]);
  children.push(child);
  if (!child.stdout) throw new Error("The worker has no output.");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("ready");
  return { child, lines, ended: once(child, "exit") };
}

test("a run that crashes its workers - is quarantined after it did so alone, its neighbours are not, and it can be released", async () => {
  const first = await crashingWorker("sound", true);
  const bystander = await platform.start(project, "crashes", { id: "bystander" });
  expect((await first.lines.next()).value).toBe("bystander");
  const poison = await platform.start(project, "crashes", { id: "poison" });
  expect((await first.ended)[1]).toBe("SIGKILL");

  // A worker with others beside takes neither: nobody knows which of the two it was.
  const services = createServices({
    database: platform.database,
    journal: platform.journal,
    config: project,
    bus: { wake: () => undefined, ping: () => Promise.resolve() },
  });
  let wanted = 0;
  await using _sound = await platform.worker(project, {
    take: "sound",
    sweepMs: 50,
    onSuspects: () => wanted++,
  });
  const list = async () => (await services.listRuns({ stuck: false, limit: 10 })).runs;
  // Their leases do not end at the same moment.
  await until(async () => (await list()).every(({ crashes }) => crashes === 1));
  const before = wanted;
  await until(() => wanted > before + 1);
  const suspected = await list();
  expect(suspected.map(({ run, status, crashes }) => ({ run, status, crashes }))).toEqual([
    { run: bystander, status: "ready", crashes: 1 },
    { run: poison, status: "ready", crashes: 1 },
  ]);

  // Alone, the one ends and the other crashes whoever takes it, until nobody does any more.
  for (let crash = 1; crash <= 3; crash++) {
    const { ended } = await crashingWorker("suspects", false);
    expect((await ended)[1]).toBe("SIGKILL");
  }
  await platform.reach(bystander, "finished");
  await crashingWorker("suspects", false);
  const quarantined = await platform.reach(poison, "quarantined");
  expect(quarantined.at(-1)).toMatchObject({ type: "run_quarantined", data: { crashes: 3 } });
  expect(await services.queues()).toMatchObject([{ agent: "crashes", quarantined: 1 }]);

  await services.releaseRun(OLGA, poison, "The tool is mended.");
  // Whether the tool is mended is seen in a process of its own: a worker with others beside still leaves it alone.
  await using alone = await platform.worker(project, { take: "suspects", sweepMs: 50 });
  const events = await platform.reach(poison, "finished");
  expect(events.find(({ type }) => type === "run_released")?.data).toMatchObject({
    by: { id: "olga" },
    reason: "The tool is mended.",
  });
  expect(events.findLast(({ type }) => type === "attempt_started")?.data).toMatchObject({ worker: alone.id });
}, 300_000);
