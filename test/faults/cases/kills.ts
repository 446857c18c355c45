import { CALL_MS } from "../agents.ts";
import type { BankCall } from "../bank.ts";
import type { Patch } from "../bundle.ts";
import type { FaultCase, Guard } from "../case.ts";
import { operate } from "../operator.ts";
import type { Scene, FaultRun } from "../scene.ts";
import { delay } from "../wait.ts";

/** What to take out so that nobody goes on with what a dead worker held. */
export const LEFT_BEHIND: Guard = {
  name: "runs whose lease has run out are freed by whoever looks",
  shows: ["stuck"],
  patches: [
    {
      file: "runtime/engine/sweeps.ts",
      find: "      await this.#lookAtLeases(overdue.leases);\n",
      replace: "",
    },
  ],
};

/** What to take out so that a call that may have happened is made again. */
export const REPEATED_UNASKED: Patch = {
  file: "runtime/engine/make-call.ts",
  find: "if (isRepeatable(call.class)) return repeat(",
  replace: "if (isRepeatable(call.class) || call.reconcile) return repeat(",
};

/** How long a run may take that dies with others again and again: each time, its call's time has to pass. */
const MANY_KILLS_MS = 60_000;

/** Some company, so that the harm also meets runs that it was not meant for. */
function company(scene: Scene): Promise<FaultRun[]> {
  return scene.startAll(...scene.random.shuffled(["clerk", "teller"] as const).slice(0, scene.random.between(0, 2)));
}

/** The worker dies where this call of a run stands then, and with it whatever else it has. */
async function killedAt(scene: Scene, agent: "clerk" | "teller", point: "before" | "after", action: string) {
  const { run, held, release } = await scene.startHeld(agent, point, action);
  await company(scene);
  const there = { call: null as BankCall | null };
  void held.then((call) => (there.call = call));
  await scene.until(
    "the call is there, or was killed with others before",
    async () => {
      if (there.call !== null) return true;
      // What was killed with others, before it came so far, may have to be asked about, and may be found without it.
      const status = await scene.status(run);
      if (status === "parked" && scene.terms.doubts) await operate(scene);
      return status === "finished";
    },
    MANY_KILLS_MS,
  );
  if (there.call !== null) await scene.killCaller(there.call);
  release();
}

/**
 * Does something to a call that is held, and lets it go on when the bank has been asked what became of it. Later than
 * its tool's time it may not take effect: against that nothing can be done from here.
 *
 * @returns whether the bank was asked in time, and not before the harm was done, by somebody who knew nothing of it.
 */
export async function askedOrLate(
  scene: Scene,
  run: FaultRun,
  { call, release }: { readonly call: BankCall; readonly release: () => void },
  harm: () => Promise<void>,
): Promise<boolean> {
  const late = delay(CALL_MS - 300);
  let asked = false;
  let done = false;
  const find = scene.bank.once(
    "find",
    ({ key }) => key === call.key,
    () => {
      asked = done;
      return "go";
    },
  );
  const harmed = harm().then(() => {
    done = true;
  });
  const hints = setInterval(() => {
    // Sooner than by a sweep: the time is short.
    if (!asked) scene.lane.bus.wake(run.agent, [run.run]);
  }, 60);
  await Promise.race([Promise.all([find, harmed]).then(() => delay(scene.random.between(5, 40))), late]);
  clearInterval(hints);
  release();
  await harmed;
  return asked;
}

/** Starts runs until one is claimed by a worker that was told of it: on a busy machine, a sweep may be faster. */
export async function startUntil(scene: Scene, claimed: Promise<unknown>): Promise<void> {
  const there = claimed.then(() => true);
  for (let tries = 0; tries < 10; tries++) {
    await scene.startAll("clerk", "clerk");
    if (await Promise.race([there, delay(1_500).then(() => false)])) return;
  }
  await scene.come("a claim is answered", claimed);
}

/** Waits until a worker is gone. The other one goes on with what it held. */
export async function gone(scene: Scene): Promise<void> {
  await scene.until("a worker is gone", async () => {
    if (scene.lane.workers.some(({ alive }) => !alive)) return true;
    // On a machine so busy that a call ran out of its time, the run waits for somebody before it gets there.
    if (scene.terms.doubts && scene.terms.operator) await operate(scene);
    return false;
  });
}

export const kills: readonly FaultCase[] = [
  {
    name: "kill -9 before a call",
    agents: ["clerk", "teller"],
    together: true,
    long: true,
    promise: "A call whose intent is on record and that never left is made once, by whoever comes next.",
    guard: LEFT_BEHIND,
    async run(scene) {
      scene.terms.doubts = true;
      await scene.workers(2);
      await killedAt(scene, "clerk", "before", scene.random.pick([":upsert", ":book", ":pay"]));
    },
  },
  {
    name: "kill -9 while the intent is on its way",
    agents: ["clerk"],
    promise: "Nothing is called before its intent is on disk: a call that is not on record was not made.",
    guard: {
      name: "the intent before the call",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/engine/make-call.ts",
          find: 'await written(turn, attempt.append([{ type: "effect_intended", data }], { views, linger: false }));',
          replace: 'attempt.append([{ type: "effect_intended", data }], { views, linger: false });',
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const called = scene.bank.once(
        "after",
        ({ id }) => id.endsWith(":book") || id.endsWith(":pay"),
        () => "go",
      );
      const sent = scene.wire("before", ["effect_intended", scene.random.pick(["bank.book", "bank.pay"])]);
      await scene.start("clerk");
      const { held, worker } = await scene.come("an intent is sent", sent);
      // A call that does not wait for its intent needs a moment to get through.
      await Promise.race([called, delay(scene.random.between(20, 60))]);
      worker.kill();
      held.cut();
      await gone(scene);
    },
  },
  {
    name: "kill -9 during a call",
    agents: ["clerk"],
    together: true,
    promise: "A call that takes effect after its worker has died, within its tool's time, is found and not repeated.",
    guard: {
      name: '"it did not happen" only after lease and timeout',
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/engine/investigate.ts",
          find: 'if (attempt.now() >= settledAt) return { kind: "not_made", why };',
          replace: 'if (settledAt > 0) return { kind: "not_made", why };',
        },
      ],
    },
    async run(scene) {
      await scene.workers(2);
      const { run, held, release } = await scene.startHeld("clerk", "arrived", scene.random.pick([":book", ":pay"]));
      const call = await scene.come("the call arrives", held);
      await askedOrLate(scene, run, { call, release }, () => scene.killCaller(call));
    },
  },
  {
    name: "kill -9 after an idempotent call",
    agents: ["clerk", "teller"],
    together: true,
    long: true,
    promise: "An idempotent call is made again under the same key, so that it counts once.",
    guard: {
      name: "the same idempotency key in every attempt",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/engine/make-call.ts",
          find: 'return repeat(execution, call, { proposal, id, approved }, "crash", null);',
          replace: 'return repeat(execution, call, { proposal, id: crypto.randomUUID(), approved }, "crash", null);',
        },
      ],
    },
    async run(scene) {
      scene.terms.doubts = true;
      await scene.workers(2);
      await killedAt(scene, scene.random.pick(["clerk", "teller"]), "after", ":upsert");
    },
  },
  {
    name: "kill -9 after a call that can be looked up",
    agents: ["clerk", "teller"],
    together: true,
    promise: "A call whose tool has reconcile happens exactly once, although its end was not recorded.",
    guard: {
      name: "reconcile before a call is repeated",
      shows: ["duplicated"],
      patches: [REPEATED_UNASKED],
    },
    async run(scene) {
      scene.terms.doubts = true;
      await scene.workers(2);
      await killedAt(scene, "clerk", "after", scene.random.pick([":book", ":pay"]));
    },
  },
  {
    name: "kill -9 around a call that cannot be looked up",
    agents: ["clerk", "teller"],
    together: true,
    promise: "An irreversible call without reconcile is never repeated on a guess: it is in doubt until a person says.",
    guard: {
      name: "doubt where a tool cannot be asked",
      shows: ["duplicated"],
      patches: [
        {
          file: "runtime/engine/investigate.ts",
          find: "  if (!reconcile) {\n",
          replace: '  if (!reconcile) return { kind: "not_made", why: "crash" };\n  if (!reconcile) {\n',
        },
      ],
    },
    async run(scene) {
      scene.terms.doubts = true;
      await scene.workers(2);
      await killedAt(scene, "teller", scene.random.pick(["before", "after", "after"]), ":wire");
    },
  },
  {
    name: "kill -9 after the record, before the next step",
    agents: ["teller"],
    long: true,
    promise: "A call whose end is on record is not made again, and nobody is asked about it.",
    guard: {
      name: "a recorded end is what a later attempt gets",
      shows: ["lost", "stuck"],
      patches: [
        {
          file: "runtime/core/run-record.ts",
          find: '    case "effect_finished": {\n',
          replace: '    case "effect_finished": {\n      if (event.data.via === "call") return;\n',
        },
      ],
    },
    async run(scene) {
      await scene.workers(2, { leaseMs: 1_500 });
      const started = scene.start("teller");
      await scene.come(
        "the end is committed",
        scene.wire("after", ["effect_finished"], (_, worker) => worker.kill()),
      );
      const types = (await scene.events(await started)).map(({ type }) => type);
      // A worker that stood still on a slow machine had lost the run before: then its end was refused, or another's came.
      const attempts = types.filter((type) => type === "attempt_started").length;
      if (attempts > 1 || !types.includes("effect_finished")) scene.terms.doubts = true;
      await gone(scene);
    },
  },
  {
    name: "kill -9 of a worker whose claim's reply is lost",
    agents: ["clerk"],
    long: true,
    promise: "A run that was claimed by a worker that never heard of it is not lost.",
    guard: LEFT_BEHIND,
    async run(scene) {
      await scene.workers(2);
      const claimed = scene.wire("after", ["claim_runs"], (held, worker) => {
        held.cut();
        worker.kill();
      });
      await startUntil(scene, claimed);
      await gone(scene);
    },
  },
];
