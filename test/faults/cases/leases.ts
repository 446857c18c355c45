import { PATIENT } from "../agents.ts";
import type { FaultCase } from "../case.ts";
import { delay } from "../wait.ts";

export const leases: readonly FaultCase[] = [
  {
    name: "SIGSTOP past the lease before a call, then SIGCONT",
    agents: ["clerk"],
    promise: "A worker that stood still until its lease ran out calls nothing any more.",
    guard: {
      name: "the lease's deadline before a call",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/engine/held-lease.ts",
          find: "return this.#clock.monotonicMs() >= this.#deadlineMs;",
          replace: "return this.#deadlineMs <= 0;",
        },
      ],
    },
    provenInTests: true,
    async run(scene) {
      await scene.workers(2);
      const action = scene.random.pick(["bank.book", "bank.pay"]);
      const intended = scene.wire("after", ["effect_intended", action], (held, worker) => {
        worker.freeze();
        // It is in the worker's socket, and the first thing that it reads.
        held.forward();
      });
      const run = await scene.start("clerk");
      const { worker } = await scene.come("the intent is committed", intended);
      await scene.reach(run, "finished");
      await delay(scene.random.between(0, 30));
      worker.thaw();
      await scene.sees(worker);
    },
  },
  {
    name: "SIGSTOP past the lease during a call, then SIGCONT",
    agents: ["clerk"],
    promise: "What a worker brings after its lease was taken over is refused, and the call has happened once.",
    guard: {
      name: "fencing: compare-and-set on epoch and head",
      shows: ["unverified"],
      patches: [
        {
          file: "runtime/journal/sql.ts",
          find: `    and l.epoch = b.epoch and l.head_seq = b.from_seq and l.head_hash = b.from_hash
    and r.status = 'running'
  returning r.run_id, r.status
), accepted as (`,
          replace: `  returning r.run_id, r.status
), accepted as (`,
        },
        {
          file: "runtime/journal/sql.ts",
          find: `  join accepted using (run_id)
)
select b.run_id, a.run_id is not null as accepted`,
          replace: `  join accepted using (run_id)
  on conflict (run_id, seq) do update set type = excluded.type, v = excluded.v, at = excluded.at, data = excluded.data,
    hash = excluded.hash
)
select b.run_id, a.run_id is not null as accepted`,
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const action = scene.random.pick(["book", "pay"]);
      const { run, held, release } = await scene.startHeld("clerk", "acted", `:${action}`);
      const worker = scene.workerOf(await scene.come("the call is made", held));
      // It stops in mid-call, or with what the call brought on its way to the database. Not looked for before: the end
      // of the call before and the intent of this one may be sent at once.
      const sent = scene.random.next() < 0.6 ? scene.wire("before", ["effect_finished", `bank.${action}`]) : null;
      if (!sent) worker.freeze();
      release();
      const late = sent && (await scene.come("its end is sent", sent)).held;
      worker.freeze();
      await scene.reach(run, "finished");
      await delay(scene.random.between(0, 30));
      late?.forward();
      worker.thaw();
      await scene.sees(worker);
    },
  },
  {
    name: "a call that outlives its lease",
    agents: ["teller"],
    together: true,
    long: true,
    promise: "As long as a worker lives, nobody else takes what it works on, however long a call takes.",
    guard: {
      name: "renewing leases",
      shows: ["lost"],
      patches: [
        {
          file: "runtime/engine/leases.ts",
          find: "this.#renewing ??= this.#renew().finally(",
          replace: "this.#renewing ??= this.#options.housekeeping.workerSeen(this.#options.worker).finally(",
        },
      ],
    },
    async run(scene) {
      const leaseMs = 1_500;
      await scene.workers(2, { leaseMs });
      const { held, release } = await scene.startHeld("teller", scene.random.pick(["arrived", "acted"]), ":wire");
      await scene.come("the call arrives", held);
      await delay(leaseMs * 1.3 + scene.random.between(0, leaseMs / 2));
      release();
    },
  },
  {
    name: "two workers claim at the same time",
    agents: ["teller"],
    together: true,
    long: true,
    promise: "However many are told that a run is ready, one of them has it.",
    guard: {
      name: "a lease that holds is nobody else's",
      shows: ["lost"],
      patches: [
        {
          file: "runtime/journal/sql.ts",
          find: "where run_id = any($6::uuid[]) and status = 'ready' and ready_at <= clock_timestamp() and",
          replace: "where run_id = any($6::uuid[]) and (status = 'running' or ready_at <= clock_timestamp()) and",
        },
      ],
    },
    async run(scene) {
      // Longer than a slow machine stands still: nobody else may have the run, however late it is.
      await scene.workers(2, { leaseMs: 20_000 });
      scene.terms.attempts = 1;
      const runs = await scene.startAll("teller", "teller", "teller");
      for (let hint = 0; hint < 12; hint++) {
        for (const run of scene.random.shuffled(runs)) scene.lane.bus.wake(run.agent, [run.run]);
        await delay(scene.random.between(0, 3));
      }
    },
  },
  {
    name: "an answer that comes too late",
    agents: ["clerk"],
    together: true,
    promise: "A call that took longer than its time is looked up, not taken for one that did not happen.",
    guard: {
      name: "a call that ran out of time is open, not failed",
      shows: ["lost"],
      patches: [
        {
          file: "runtime/engine/make-call.ts",
          find: "const timedOut = !outcome.ok && outcome.error.code === CallTimeoutError.code;",
          replace: "const timedOut = !outcome.ok && outcome.error.code === CallTimeoutError.code && outcome.ok;",
        },
      ],
    },
    async run(scene) {
      await scene.workers(1);
      const action = scene.random.pick([":book", ":pay"]);
      const { run, held, release } = await scene.startHeld("clerk", "acted", action);
      await scene.come("the call is made", held);
      await scene.come(
        "it is looked up, or given up",
        Promise.race([scene.at("find", run, () => "go", action), scene.reach(run, "failed")]),
      );
      release();
    },
  },
  {
    name: "a connection that breaks after the call took effect",
    agents: ["teller"],
    together: true,
    long: true,
    promise: "What a tool throws is its outcome: the call is on record as failed, and is not made again by itself.",
    guard: { none: "Nothing stands between this and a second call: there is no code that would make one." },
    async run(scene) {
      // Whoever lost its lease would be in doubt, and not have failed.
      await scene.workers(1, PATIENT);
      scene.terms.ends = ["failed"];
      // The tool threw, whatever the bank did.
      scene.terms.agrees = false;
      const { held, release } = await scene.startHeld("teller", scene.random.pick(["arrived", "acted"]), ":wire");
      await scene.come("the call is there", held);
      release("drop");
    },
  },
];
