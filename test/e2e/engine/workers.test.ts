import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { AckPolicy, connect } from "nats";
import { defineAgent, defineConfig, defineTool, type SignalboxConfig } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { NatsBus } from "../../../runtime/bus/nats-bus.ts";
import { deferred } from "../../../runtime/core/deferred.ts";
import { startTestPlatform, types, type TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

let platform: TestPlatform;
let permitAll: URL;
beforeAll(async () => {
  platform = await startTestPlatform();
  permitAll = await rulesFile(PERMIT_ALL);
});
afterAll(() => platform[Symbol.asyncDispose]());

const State = Annotation.Root({ id: Annotation<string>(), done: Annotation<string>() });

/** An agent with one call, which the test answers. */
function works(
  rules: readonly URL[] = [permitAll],
  answer: (id: string, signal: AbortSignal) => unknown = () => undefined,
) {
  const called: string[] = [];
  let now = 0;
  let most = 0;
  const work = defineTool({
    name: "work.do",
    effect: "idempotent",
    input: z.object({ id: z.string() }),
    output: z.object({ id: z.string() }),
    run: async ({ id }, { signal }) => {
      called.push(id);
      most = Math.max(most, ++now);
      await answer(id, signal);
      now--;
      return { id };
    },
  });
  const agent = defineAgent({
    name: "works",
    state: State,
    tools: { work },
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("do", async ({ id }) => ({ done: (await tools.work({ id })).id }))
        .addEdge(START, "do")
        .addEdge("do", END),
  });
  const project: SignalboxConfig = defineConfig({ agents: [agent], rules: [...rules] });
  return { project, called, most: () => most };
}

describe("a worker", () => {
  test("with two slots - has two runs under way and never three, and does them all", async () => {
    const gate = deferred<undefined>();
    const { project, called, most } = works(undefined, () => gate.promise);
    await using _worker = await platform.worker(project, { slots: 2 });
    const runs = await Promise.all(
      Array.from({ length: 20 }, (_, i) => platform.start(project, "works", { id: String(i) })),
    );
    await until(() => called.length === 2);
    gate.resolve(undefined);
    for (const run of runs) await platform.reach(run, "finished");
    expect(called).toHaveLength(20);
    expect(most()).toBe(2);
  });

  test("whose call takes longer than the lease - keeps the lease, and nobody else starts on the run", async () => {
    const gate = deferred<undefined>();
    const { project, called } = works(undefined, () => gate.promise);
    await using _one = await platform.worker(project, { limits: { leaseMs: 300 } });
    await using _two = await platform.worker(project, { limits: { leaseMs: 300 } });
    const run = await platform.start(project, "works", { id: "long" });
    await until(() => called.length > 0);
    const until1 = await leaseOf(run);
    await until(async () => (await leaseOf(run)) > until1 + 700);
    gate.resolve(undefined);
    const events = await platform.reach(run, "finished");
    expect(called).toEqual(["long"]);
    expect(types(events).filter((type) => type === "attempt_started")).toHaveLength(1);
  });

  test("whose own lease has run out in mid-call - does not take the run away from itself", async () => {
    const gate = deferred<undefined>();
    const { project, called } = works(undefined, () => gate.promise);
    // It renews once in a minute: by the database's clock, the lease is over as soon as the test says so.
    await using _worker = await platform.worker(project, { limits: { leaseMs: 180_000 } });
    const run = await platform.start(project, "works", { id: "slept" });
    await until(() => called.length > 0);
    await platform.database.query(
      "update runs set lease_until = clock_timestamp() - interval '1 second' where run_id = $1",
      [run],
    );
    // Nobody tells of the later run, so a sweep finds it, and would have found this one with it.
    await platform.nats.stop("SIGKILL");
    const later = await platform.start(project, "works", { id: "later" });
    await until(() => called.length > 1);
    await platform.nats.start();
    expect(called).toEqual(["slept", "later"]);
    gate.resolve(undefined);
    for (const one of [run, later]) {
      const events = await platform.reach(one, "finished");
      expect(types(events).filter((type) => type === "attempt_started")).toHaveLength(1);
    }
  });

  test("all of whose statements wait for a locked row - keeps its leases", async () => {
    const gate = deferred<undefined>();
    const { project, called } = works(undefined, () => gate.promise);
    const locked = await platform.start(project, "works", { id: "locked" });
    const unlock = deferred<undefined>();
    const holding = platform.database.transaction(async (sql) => {
      await sql.query("select from runs where run_id = $1 for update", [locked]);
      await unlock.promise;
    });
    await using _worker = await platform.worker(project, { limits: { leaseMs: 600 } });
    const run = await platform.start(project, "works", { id: "leased" });
    await until(() => called.length > 0);
    const bus = await NatsBus.connect({ access: platform.nats.access, name: "hints", role: "console" });
    for (let hint = 0; hint < 15; hint++) bus.wake("works", [locked]);
    await until(async () => (await waitingForLocks()) > 5);
    const before = await leaseOf(run);
    await until(async () => (await leaseOf(run)) > before + 700);
    expect(await waitingForLocks()).toBeGreaterThan(5);
    unlock.resolve(undefined);
    await holding;
    await bus.close();
    gate.resolve(undefined);
    const events = await platform.reach(run, "finished");
    expect(types(events).filter((type) => type === "attempt_started")).toHaveLength(1);
    await platform.reach(locked, "finished");
  });

  test("that is stopped while work arrives - ends what it has, and another one does the rest", async () => {
    const { project, called } = works(undefined, () => new Promise((resolve) => setTimeout(resolve, 2)));
    const first = await platform.worker(project, { slots: 3 });
    const starting = Array.from({ length: 40 }, (_, i) => platform.start(project, "works", { id: `s${String(i)}` }));
    await until(() => called.length > 5);
    const closing = first.close();
    await using _second = await platform.worker(project, { slots: 3 });
    const runs = await Promise.all(starting);
    await closing;
    for (const run of runs) await platform.reach(run, "finished");
    // Nothing was done twice, because nothing was cut off.
    expect(called).toHaveLength(40);
    expect(new Set(called).size).toBe(40);
  });

  test("without a slot - keeps no ask waiting that another worker can answer", async () => {
    const gate = deferred<undefined>();
    const blocks = works(undefined, () => gate.promise);
    const Child = Annotation.Root({ n: Annotation<number>() });
    const child = defineAgent({
      name: "child",
      state: Child,
      graph: () =>
        new StateGraph(Child)
          .addNode("add", ({ n }) => ({ n: n + 1 }))
          .addEdge(START, "add")
          .addEdge("add", END),
    });
    const parent = defineAgent({
      name: "parent",
      state: Child,
      agents: { child },
      graph: ({ agents }) =>
        new StateGraph(Child)
          .addNode("ask", ({ n }) => agents.child.ask({ n }))
          .addEdge(START, "ask")
          .addEdge("ask", END),
    });
    const project = defineConfig({ agents: [...blocks.project.agents, parent, child], rules: [permitAll] });
    await using _blocked = await platform.worker(project, { slots: 1 });
    const blocking = await platform.start(project, "works", { id: "blocks" });
    await until(() => blocks.called.length > 0);
    await using _free = await platform.worker(project, { slots: 2 });
    // Enough of them for both workers to get some of the messages.
    const runs = await Promise.all(Array.from({ length: 10 }, (_, n) => platform.start(project, "parent", { n })));
    for (const run of runs) await platform.reach(run, "finished");
    gate.resolve(undefined);
    await platform.reach(blocking, "finished");
  });

  test("that cannot start half way - closes what it had opened, and takes nothing", async () => {
    const { project, called } = works();
    const plain = await connect({ servers: platform.nats.url });
    const manager = await plain.jetstreamManager();
    await (await platform.worker(project)).close(); // makes the streams
    // Somebody else's consumer in the place of ours: it delivers elsewhere, so ours cannot be made.
    await manager.consumers.delete("SIGNALBOX_MAIL", "mail-works");
    await manager.consumers.add("SIGNALBOX_MAIL", {
      durable_name: "mail-works",
      filter_subject: "mail.works",
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- nothing else makes a consumer that is not ours
      deliver_subject: "elsewhere",
      ack_policy: AckPolicy.Explicit,
    });
    let run: string;
    try {
      await expect(platform.worker(project)).rejects.toMatchObject({ code: "BUS_UNAVAILABLE" });
      await expect.poll(workersAlive).toBe(0);
      run = await platform.start(project, "works", { id: "nobody-there" });
    } finally {
      await manager.consumers.delete("SIGNALBOX_MAIL", "mail-works");
      await plain.close();
    }
    expect(called).toEqual([]);
    await using _worker = await platform.worker(project);
    await platform.reach(run, "finished");
  });

  test("that is stopped in mid-call and has no time to wait - cuts the call off, and another one goes on at once", async () => {
    let heard = false;
    const { project, called } = works(undefined, (id, signal) =>
      called.length > 1
        ? undefined
        : new Promise((_, reject) => {
            signal.addEventListener("abort", () => {
              heard = true;
              reject(new Error("I was told to stop."));
            });
          }),
    );
    const first = await platform.worker(project, { drainMs: 20 });
    const run = await platform.start(project, "works", { id: "cut" });
    await until(() => called.length === 1);
    await first.close();
    expect(heard).toBe(true);
    await using _second = await platform.worker(project);
    const events = await platform.reach(run, "finished");
    expect(types(events).filter((type) => type.startsWith("effect_"))).toEqual([
      "effect_intended",
      "effect_repeated",
      "effect_finished",
    ]);
  });

  test("without NATS telling anybody - still finds what is ready", async () => {
    const { project } = works();
    await using _worker = await platform.worker(project);
    await platform.nats.stop("SIGKILL");
    const run = await platform.start(project, "works", { id: "quiet" });
    await platform.reach(run, "finished");
    await platform.nats.start();
  });
});

describe("a worker without NATS", () => {
  test("stops all the same, and what it did is recorded", async () => {
    const { project, called } = works();
    const worker = await platform.worker(project);
    const run = await platform.start(project, "works", { id: "x" });
    await platform.reach(run, "finished");
    await platform.nats.stop("SIGKILL");
    await worker.close();
    expect(called).toEqual(["x"]);
    await platform.nats.start();
  });
});

describe("an approval", () => {
  const HELD = `${PERMIT_ALL}
@id("hold") @effect("require_approval") @approvers("1") @pool("finance") @ttl("PT1S") @reason("Somebody has to look.")
forbid (principal, action == Action::"work.do", resource) unless { context.approval.satisfied };`;

  test("that expires while no worker runs - is refused after the start, and nothing was called", async () => {
    const { project, called } = works([await rulesFile(HELD)]);
    const first = await platform.worker(project);
    const run = await platform.start(project, "works", { id: "late" });
    await platform.reach(run, "parked");
    await first.close();
    const [approval] = await platform.pending(run);
    await until(async () => {
      const [row] = await platform.database.query<{ over: boolean }>(
        "select expires_at <= clock_timestamp() as over from approvals where run_id = $1",
        [run],
      );
      return row?.over === true;
    });
    if (!approval) throw new Error("Nothing is pending.");
    await expect(platform.decide(approval, "approve")).rejects.toMatchObject({ code: "ALREADY_DECIDED" });
    await using _second = await platform.worker(project);
    const events = await platform.reach(run, "failed");
    expect(JSON.stringify(events.at(-1)?.data)).toContain("Nobody decided in time");
    expect(called).toEqual([]);
  });

  test("decided at the very moment at which the run parks - always wakes it", async () => {
    const { project } = works([await rulesFile(HELD.replace("PT1S", "PT1H"))]);
    await using _worker = await platform.worker(project);
    const runs = await Promise.all(
      Array.from({ length: 30 }, (_, i) => platform.start(project, "works", { id: `w${String(i)}` })),
    );
    const decided = new Set<string>();
    await until(async () => {
      // As soon as it is shown, parked or not.
      const pending = await platform.database.query<{ approval: string; argsHash: string; run_id: string }>(
        `select approval_id as approval, args_hash as "argsHash", run_id from approvals where status = 'pending' and run_id = any($1)`,
        [runs],
      );
      await Promise.all(
        pending.map(async (approval) => {
          await platform.decide(approval, "approve");
          decided.add(approval.run_id);
        }),
      );
      return decided.size === runs.length;
    });
    for (const run of runs) await platform.reach(run, "finished");
  });
});

/** Until when the run's lease holds, in milliseconds. */
async function leaseOf(run: string): Promise<number> {
  const [row] = await platform.database.query<{ until: Date }>(
    "select lease_until as until from runs where run_id = $1",
    [run],
  );
  return row?.until.getTime() ?? 0;
}

/** How many statements of workers wait for a row that another transaction has locked. */
async function waitingForLocks(): Promise<number> {
  const rows = await platform.database.query(
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
  );
  return rows.length;
}

/** How many connections workers have to the database. */
async function workersAlive(): Promise<number> {
  const [row] = await platform.database.query<{ n: number }>(
    "select count(*)::int as n from pg_stat_activity where application_name = 'signalbox-worker' and datname = current_database()",
  );
  return row?.n ?? 0;
}
