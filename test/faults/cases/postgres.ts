import { openConnection, type Connection } from "../../../runtime/journal/database.ts";
import { PATIENT, type AgentName } from "../agents.ts";
import type { FaultCase, Guard } from "../case.ts";
import type { Scene } from "../scene.ts";
import { MAX_CONNECTIONS } from "../servers.ts";
import { delay, lookEvery } from "../wait.ts";
import { LEFT_BEHIND, startUntil } from "./kills.ts";

/** For so long a worker certainly tries to reach a database that has gone. */
const KEPT_MS = 2_500;
/** For the last call of seeds that go on together, on a slow machine. */
const LATEST_MS = 8_000;
const WRITER = "runtime/journal/writer.ts";

const SENT_AGAIN: Guard = {
  name: "an append whose reply did not come is sent again",
  shows: ["lost"],
  patches: [
    {
      file: WRITER,
      find: "if (error instanceof DatabaseUnavailableError) return this.#recover(groups, error);",
      replace: "",
    },
  ],
};

const HEAD_COMPARED: Guard = {
  name: "comparing the head after a lost COMMIT reply",
  shows: ["lost"],
  patches: [
    {
      file: "runtime/journal/sql.ts",
      find: "case when a.run_id is null and l.epoch = b.epoch then encode(l.head_hash, 'hex') end as stored_head",
      replace: "null as stored_head",
    },
  ],
};

/** Without it a worker ends with its database. */
const CONNECTIONS_HEARD: Guard = {
  name: "hearing of idle connections that break",
  shows: ["stuck"],
  patches: [
    {
      file: "runtime/journal/database.ts",
      find: '  pool.on("error", () => undefined);\n',
      replace: "",
    },
    {
      file: "runtime/journal/database.ts",
      find: '  pool.on("connect", (client) => client.on("error", () => undefined));\n',
      replace: "",
    },
  ],
};

/** A call is under way while the database is away, and its end has to be written when it is back. */
async function duringACall(scene: Scene, away: () => Promise<void>, back: () => Promise<void>): Promise<void> {
  await scene.workers(1, PATIENT);
  const { held, release } = await scene.startHeld("teller", "acted", ":wire");
  await scene.startAll(...scene.random.shuffled(["clerk", "person"] as const).slice(0, scene.random.between(0, 2)));
  await scene.come("the call is made", held);
  await delay(scene.random.between(0, 30));
  // Whose call has not come by then never comes: it would be another case.
  await scene.toAll("away", away, LATEST_MS);
  const wantedAt = performance.now();
  release();
  await delay(scene.random.between(0, 300));
  await scene.toAll("back", back);
  // What a call brought is kept for some seconds; on a machine so busy that Postgres takes longer, it is in doubt.
  if (performance.now() - wantedAt > KEPT_MS) scene.terms.doubts = true;
}

/** The reply of the first commit that holds these words never comes, or the commit itself does not. */
function lostReply(
  name: string,
  promise: string,
  guard: Guard,
  agent: AgentName,
  needles: readonly string[],
): FaultCase {
  return {
    name,
    agents: [agent],
    promise,
    guard,
    // The rows of one statement: one of them stands for all in the small version.
    long: agent !== "teller",
    async run(scene) {
      await scene.workers(1, PATIENT);
      // The attempt goes on: it finds its own head, or its append is not there and is sent again.
      scene.terms.attempts = agent === "person" ? 2 : 1;
      const cut = scene.wire(scene.random.pick(["before", "after"]), needles, (held) => {
        held.cut();
      });
      const run = await scene.start(agent);
      await scene.come("the commit", cut);
      // The operator, who comes next, would save the run from having to park again.
      if (agent === "person") await scene.reach(run, "parked");
    },
  };
}

export const postgres: readonly FaultCase[] = [
  {
    name: "Postgres is restarted in a hurry",
    agents: ["teller", "clerk", "person"],
    together: true,
    long: true,
    promise: "What a call brought is written once Postgres is back, so that nobody has to ask what became of it.",
    guard: SENT_AGAIN,
    run(scene) {
      const { postgres } = scene.books;
      return duringACall(
        scene,
        () => postgres.stop("immediate"),
        () => postgres.start(),
      );
    },
  },
  {
    name: "Postgres is killed",
    agents: ["teller", "clerk", "person"],
    together: true,
    promise: "A worker outlives its database, and goes on when it is back.",
    guard: CONNECTIONS_HEARD,
    run(scene) {
      const { postgres } = scene.books;
      return duringACall(
        scene,
        () => postgres.stop("kill"),
        () => postgres.start(),
      );
    },
  },
  {
    name: "Postgres refuses connections for a while",
    agents: ["teller", "clerk", "person"],
    together: true,
    promise: "A worker that cannot reach Postgres tries again, and loses nothing that it holds.",
    guard: {
      name: "a new connection instead of the broken one",
      shows: ["stuck"],
      patches: [
        {
          file: WRITER,
          find: "    this.#connection = null;\n    for (const delayMs of RECONNECT_DELAYS_MS) {",
          replace: "    for (const delayMs of RECONNECT_DELAYS_MS) {",
        },
        { file: WRITER, find: "      if (this.#connection === connection) this.#connection = null;\n", replace: "" },
      ],
    },
    async run(scene) {
      const [worker] = await scene.workers(1, PATIENT);
      await duringACall(
        scene,
        () => {
          worker?.proxy.refuse(true);
          return Promise.resolve();
        },
        async () => {
          await delay(scene.random.between(0, 600));
          worker?.proxy.refuse(false);
        },
      );
    },
  },
  {
    name: "all connections of Postgres are taken",
    agents: ["teller", "clerk", "person"],
    together: true,
    long: true,
    promise: "A worker that gets no connection waits for one, and loses nothing that it holds.",
    guard: {
      name: "waiting for a connection",
      shows: ["lost"],
      patches: [
        {
          file: WRITER,
          find: "const RECONNECT_DELAYS_MS = [50, 100, 250, 500, 1000, 2000];",
          replace: "const RECONNECT_DELAYS_MS: number[] = [];",
        },
      ],
    },
    async run(scene) {
      const taken = await scene.toAll<Connection[]>("what is taken", () => Promise.resolve([]));
      const give = async (): Promise<void> => {
        const [last, ...others] = taken.splice(0);
        await Promise.all(others.map((connection) => connection.end()));
        // Postgres says goodbye before it has let go of a connection's place.
        await scene.until("the connections are free again", async () => {
          const left = await last?.query("select from pg_stat_activity where application_name = 'taker' limit 2");
          return (left?.length ?? 0) < 2;
        });
        await last?.end();
      };
      scene.cleanup(give);
      const { url, postgres } = scene.books;
      await duringACall(
        scene,
        async () => {
          const killer = await openConnection({ url: postgres.url("postgres"), applicationName: "taker" });
          taken.push(killer);
          // The worker's connections are cut, and their places taken before it comes back, until it has none.
          const none = async (): Promise<boolean> => {
            const more = Array.from({ length: MAX_CONNECTIONS }, () =>
              openConnection({ url, applicationName: "taker" }),
            );
            for (const result of await Promise.allSettled(more))
              if (result.status === "fulfilled") taken.push(result.value);
            const cut = await killer.query(
              "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'signalbox%'",
            );
            return cut.length === 0;
          };
          // Sooner than the worker tries again, however many seeds wait for it.
          await scene.until("the worker has no connection", none, undefined, lookEvery(1));
        },
        async () => {
          await delay(scene.random.between(0, 600));
          await give();
        },
      );
    },
  },
  lostReply(
    "the reply to a plain append's COMMIT is lost",
    "A worker that does not hear of its commit finds out, and goes on in the same attempt.",
    HEAD_COMPARED,
    "clerk",
    ["effect_finished", "bank"],
  ),
  lostReply(
    "the reply to an intent's COMMIT is lost",
    "The call is made once: its intent is on disk, and the worker finds that it is its own.",
    HEAD_COMPARED,
    "teller",
    ["effect_intended", "bank.wire"],
  ),
  lostReply(
    "the reply to a park's COMMIT is lost",
    "A run that has parked is parked, whether its worker heard of it or not; one that has not is parked now.",
    SENT_AGAIN,
    "person",
    ["run_parked"],
  ),
  lostReply(
    "the reply to an end's COMMIT is lost",
    "A run that has ended has ended once, whether its worker heard of it or not.",
    SENT_AGAIN,
    "clerk",
    ["run_finished"],
  ),
  {
    name: "the reply to a claim is lost",
    agents: ["clerk"],
    long: true,
    promise: "A run whose claim was granted to a worker that never heard of it is claimed again.",
    guard: LEFT_BEHIND,
    async run(scene) {
      await scene.workers(2);
      const cut = scene.wire("after", ["claim_runs"], (held) => {
        held.cut();
      });
      await startUntil(scene, cut);
    },
  },
];
