import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import {
  defineAgent,
  defineConfig,
  defineTool,
  startWorker,
  type EmbeddedWorker,
  type SignalboxConfig,
} from "signalbox";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { startTestPlatform, types, type TestPlatform } from "../../support/platform.ts";
import { rulesFile } from "../../support/rules-file.ts";

const RULES = `
@id("all") permit (principal, action, resource);
@id("four-eyes") @effect("require_approval") @approvers("1") @pool("finance") @ttl("PT4H") @reason("Large.")
forbid (principal, action == Action::"payments.refund", resource)
when { context.input.amountCents > 50000 } unless { context.approval.satisfied };
`;

let platform: TestPlatform;
let config: SignalboxConfig;
const workers: EmbeddedWorker[] = [];
const paid: string[] = [];
let stuck = Promise.resolve();

const lookup = defineTool({
  name: "orders.lookup",
  effect: "read",
  input: z.object({ orderId: z.string() }),
  output: z.object({ paidCents: z.int() }),
  run: async ({ orderId }) => {
    await stuck;
    if (orderId === "none") throw new Error("There is no such order.");
    return { paidCents: Number(orderId) };
  },
});
const refund = defineTool({
  name: "payments.refund",
  effect: "irreversible",
  input: z.object({ orderId: z.string(), amountCents: z.int() }),
  output: z.object({ receipt: z.string() }),
  run: ({ orderId }) => {
    paid.push(orderId);
    return { receipt: `r-${orderId}` };
  },
});
const State = Annotation.Root({
  orderId: Annotation<string>(),
  amountCents: Annotation<number>(),
  receipt: Annotation<string>(),
});

function refunds(name: string, concurrency?: number) {
  return defineAgent({
    name,
    state: State,
    input: z.object({ orderId: z.string() }),
    output: z.object({ receipt: z.string() }),
    ...(concurrency === undefined ? {} : { concurrency }),
    tools: { lookup, refund },
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("check", async ({ orderId }) => ({ amountCents: (await tools.lookup({ orderId })).paidCents }))
        .addNode("pay", ({ orderId, amountCents }) => tools.refund({ orderId, amountCents }))
        .addEdge(START, "check")
        .addEdge("check", "pay")
        .addEdge("pay", END),
  });
}

async function embedded(slots = 20): Promise<EmbeddedWorker> {
  const worker = await startWorker({
    config,
    databaseUrl: platform.databaseUrl,
    natsUrl: platform.nats.url,
    slots,
    drainMs: 0,
    startedBy: "shop",
    logLevel: "silent",
  });
  workers.push(worker);
  return worker;
}

const agent = refunds("refunds");

beforeAll(async () => {
  platform = await startTestPlatform();
  config = defineConfig({
    agents: [agent, refunds("few", 1)],
    rules: [await rulesFile(RULES)],
    pools: { finance: "Money" },
  });
});
afterEach(async () => {
  stuck = Promise.resolve();
  await Promise.all(workers.splice(0).map((worker) => worker.close()));
});
afterAll(() => platform[Symbol.asyncDispose]());

test("run - resolves with the output, and the record has the run as any other", async () => {
  const worker = await embedded();
  const { run, status, output } = await worker.run(agent, { orderId: "100" });
  expect([status, output]).toEqual(["finished", { receipt: "r-100" }]);
  const events = await platform.journal.read(run);
  expect(types(events).at(-1)).toBe("run_finished");
  expect(events[0]?.data).toMatchObject({ startedBy: { kind: "service", id: "shop" }, input: { orderId: "100" } });
});

test("a run that fails - is a result, with the error that is on record", async () => {
  const worker = await embedded();
  const result = await worker.run("refunds", { orderId: "none" });
  expect(result).toMatchObject({
    status: "failed",
    error: { message: expect.stringContaining("no such order") as string },
  });
});

test("a start that is wrong - is refused as elsewhere, and starts nothing", async () => {
  const worker = await embedded();
  await expect(worker.run("nobody", {})).rejects.toMatchObject({ code: "NOT_FOUND" });
  await expect(worker.run("refunds", { orderId: 5 })).rejects.toMatchObject({ code: "INVALID_INPUT" });
  await expect(worker.start("refunds", { orderId: 5 })).rejects.toMatchObject({ code: "INVALID_INPUT" });
});

test("start - resolves once it is on disk; the same key and input give the same run, another input an error", async () => {
  const worker = await embedded();
  const plain = await worker.start(agent, { orderId: "7" });
  expect(plain.created).toBe(true);
  expect((await platform.journal.read(plain.run))[0]?.type).toBe("run_started");
  const first = await worker.start(agent, { orderId: "8" }, { key: "8" });
  const again = await worker.start(agent, { orderId: "8" }, { key: "8" });
  expect([first.created, again]).toEqual([true, { run: first.run, created: false }]);
  await expect(worker.start(agent, { orderId: "9" }, { key: "8" })).rejects.toMatchObject({ code: "START_KEY_USED" });
  expect(await worker.run(agent, { orderId: "8" }, { key: "8" })).toMatchObject({ run: first.run, status: "finished" });
  expect(paid.filter((order) => order === "8")).toHaveLength(1);
});

test("a run that parks - resolves when another process has finished it", async () => {
  const worker = await embedded();
  let result: unknown;
  const running = worker.run(agent, { orderId: "60000" }).then((reached) => (result = reached));
  let pending: { run: string; approval: string; argsHash: string } | undefined;
  while (!pending) {
    [pending] = await platform.database.query(
      `select run_id as run, approval_id as approval, args_hash as "argsHash" from approvals where status = 'pending'`,
    );
  }
  await platform.reach(pending.run, "parked");
  expect(result).toBeUndefined();
  await platform.worker(config);
  await platform.decide(pending, "approve");
  expect(await running).toMatchObject({ run: pending.run, status: "finished", output: { receipt: "r-60000" } });
});

test("more runs than slots, and of an agent of which there may be one - all come to their ends", async () => {
  const worker = await embedded(3);
  const results = await Promise.all([
    ...Array.from({ length: 12 }, (_, n) => worker.run("refunds", { orderId: `10${String(n)}` })),
    ...Array.from({ length: 3 }, (_, n) => worker.run("few", { orderId: `20${String(n)}` })),
  ]);
  expect(new Set(results.map(({ run }) => run)).size).toBe(15);
  expect(results.every(({ status }) => status === "finished")).toBe(true);
});

test("a worker that is closed before the end - says so, and the run goes on elsewhere", async () => {
  const worker = await embedded();
  let go: () => void = () => undefined;
  stuck = new Promise((resolve) => (go = resolve));
  const { run } = await worker.start(agent, { orderId: "11" }, { key: "closed" });
  const waits = worker.run(agent, { orderId: "11" }, { key: "closed" });
  const told = expect(waits).rejects.toMatchObject({ code: "WORKER_STOPPING" });
  await worker.close();
  await told;
  await expect(worker.run(agent, { orderId: "12" })).rejects.toMatchObject({ code: "WORKER_STOPPING" });
  go();
  await platform.worker(config);
  await platform.reach(run, "finished");
});

test("a run that cannot be recorded - is an error that says so, and nothing of it was done", async () => {
  const worker = await embedded();
  await platform.database.query("alter table runs add constraint closed check (agent <> 'refunds') not valid");
  try {
    const before = paid.length;
    await expect(worker.run(agent, { orderId: "13" })).rejects.toMatchObject({ code: "RUN_NOT_RECORDED" });
    await expect(worker.start(agent, { orderId: "13" })).rejects.toMatchObject({ code: "RUN_NOT_RECORDED" });
    expect(paid.length).toBe(before);
  } finally {
    await platform.database.query("alter table runs drop constraint closed");
  }
  expect(await worker.run(agent, { orderId: "14" })).toMatchObject({ status: "finished" });
});
