import type { FaultCase } from "../case.ts";
import type { Scene } from "../scene.ts";
import { delay } from "../wait.ts";

/** How many runs the service makes at once. */
const RUNS = 6;
/** A run alone takes about so long where nothing else does. */
const A_RUN_MS = 60;

/**
 * Waits for some moment between the first of its runs and the end of the last.
 *
 * @returns what lets go of what was held for that, once the service is dead
 */
async function someMoment(scene: Scene, ids: readonly string[]): Promise<() => void> {
  const { random } = scene;
  const id = random.pick(ids);
  const nothing = (): void => undefined;
  const kind = random.pick(["time", "call", "start", "end", "end"] as const);
  if (kind === "time") {
    await delay(random.between(0, A_RUN_MS));
    return nothing;
  }
  // What does not come, because the runs are through already or not yet so far, is no reason to stay.
  const late = delay(20 * A_RUN_MS);
  if (kind === "call") {
    const { held, release } = scene.hold(
      random.pick(["before", "after"]),
      { id },
      random.pick(["", ":upsert", ":pay"]),
    );
    await Promise.race([held, late]);
    return release;
  }
  const words = kind === "start" ? "run_started" : "run_finished";
  await Promise.race([scene.wire(random.pick(["before", "before", "after"]), [words]), late]);
  // Whoever is told of an end before it is on disk is told now.
  await delay(A_RUN_MS);
  return nothing;
}

/** The service, which is the only worker then, has nothing under way in the journal any more. */
async function isDone({ books }: Scene): Promise<boolean> {
  const [row] = await books.database.query<{ open: number }>(
    `select count(*)::int as open from pg_stat_activity
     where datname = current_database() and application_name = 'signalbox-journal' and state <> 'idle'`,
  );
  return row?.open === 0;
}

/** Services that run agents in their own process. */
export const services: readonly FaultCase[] = [
  {
    name: "kill -9 of a service that runs agents itself",
    agents: ["clerk"],
    promise:
      "What a service was told has ended is on record with its end; what is on record goes on elsewhere, and of what is not, nothing has happened.",
    guard: {
      name: "the end on disk before anybody is told of it",
      shows: ["lost"],
      patches: [
        {
          file: "runtime/engine/attempt.ts",
          find: "const reached = await this.#services.journal.append(this.head, [...(answer",
          replace: "const { durable } = this.#services.journal.append(this.head, [...(answer",
        },
        {
          file: "runtime/engine/attempt.ts",
          find: "    }).durable;\n    this.#services.mailer.send(sent);\n    this.#ended = last;\n    return reached;",
          replace:
            "    });\n    durable.catch(() => undefined);\n    this.#services.mailer.send(sent);\n    this.#ended = last;\n    return status;",
        },
      ],
    },
    async run(scene) {
      scene.terms.doubts = true;
      const service = await scene.worker();
      const ids = scene.runOn(service, "clerk", RUNS);
      const release = await someMoment(scene, ids);
      service.kill();
      await service.silent;
      release();
      await scene.until("Postgres has done what it was sent", () => isDone(scene));
      const recorded = await scene.recorded("clerk", ids);
      for (const { id, run } of service.ran) {
        const there = recorded.find((one) => one.run === run);
        const status = there && (await scene.status(there));
        if (status !== "finished")
          scene.violated("lost", `the service was told that ${id} has finished, and it ${status ?? "is not there"}`);
      }
      scene.afterwards(() => {
        const unrecorded = ids.filter((id) => !recorded.some((run) => run.id === id));
        for (const { id } of scene.bank.acts) {
          if (unrecorded.some((gone) => id.startsWith(`${gone}:`)))
            scene.violated("duplicated", `${id} happened, and its run is not on record`);
        }
      });
      await scene.survivor();
    },
  },
];
