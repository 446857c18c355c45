import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import pc from "picocolors";
import type { Database } from "../../core/database.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { ENDED_STATUSES, type Cursor, type Wait } from "../../core/events.ts";
import type { JsonValue } from "../../core/json.ts";
import type { Principal } from "../../core/people.ts";
import type { SessionSummary } from "../../core/protocol.ts";
import { openConnection } from "../../journal/database.ts";
import { migrate } from "../../journal/migrate.ts";
import { isOnTheWay } from "../../operations/on-the-way.ts";
import { stuckRunOf } from "../../operations/runs.ts";
import { findRunningStack, startStack } from "../../stack/index.ts";
import { parseJson, standardInput } from "../arguments.ts";
import {
  configOf,
  connect,
  createLog,
  globalOptions,
  signedIn,
  surviveStrayRejections,
  type Session,
} from "../context.ts";
import { describeEvent } from "../describe-event.ts";
import { EXIT, print, progress } from "../output.ts";
import { STUCK_WORDS } from "./runs.ts";
import { waitsFor } from "./sessions.ts";

/** In whose name runs start that nobody signed in for: whoever may use the database from this machine. */
const CLI: Principal = { name: "cli", kind: "service", roles: ["operator"], pools: [] };
const FOLLOW_MS = 100;
/** After so long without an event, it is asked whether anybody could go on at all. */
const STILL_MS = 3_000;

/** `run AGENT`: starts a run and, if asked, follows it. */
export function addRunCommand(program: Command): void {
  program
    .command("run")
    .description("start a run of an agent")
    .argument("<agent>")
    .requiredOption("--input <file>", "a file with the input as JSON; - reads standard input")
    .option("--key <key>", "starting again with the same key gives the same run")
    .option("--watch", "follow it until it ends or waits for somebody")
    .action(async (agent: string, options: { input: string; key?: string; watch?: boolean }, command: Command) => {
      const global = globalOptions(command);
      const { config } = await configOf(global);
      const input = await readInput(options.input);
      const log = createLog("warn");
      const named = Boolean(process.env["DATABASE_URL"] && process.env["NATS_URL"]);
      // Nothing runs here yet: this command brings what it needs, and takes it down again.
      await using own =
        named || (await findRunningStack(global.data))
          ? null
          : await startStack({ dataDir: global.data, open: openConnection, report: progress });
      if (own) await migrate(own.databaseUrl);
      if (own) surviveStrayRejections(log);
      await using _worker = own
        ? await (
            await workerProcess()
          ).startWorker({ config, databaseUrl: own.databaseUrl, nats: own.nats.worker, log })
        : null;
      await using session = await connect(global, config);
      const by = process.env["SIGNALBOX_TOKEN"] ? await signedIn(session.people) : CLI;
      const { session: started, created } = await session.services.startRun(by, {
        agent,
        input,
        ...(options.key === undefined ? {} : { key: options.key }),
      });
      const follow = options.watch === true || own !== null;
      const ended = follow ? await followSession(session, started, global.json !== true) : started;
      print(global.json, ended, () =>
        follow
          ? summary(ended)
          : created
            ? `Started the session ${ended.session}.`
            : `This key had started the session ${ended.session} before.`,
      );
      if (ended.status === "failed") process.exitCode = EXIT.check;
    });
}

/** Not within a function that has `await using`: there the compiler leaves the path of an import as it is. */
function workerProcess(): Promise<typeof import("../../platform/worker-process.ts")> {
  return import("../../platform/worker-process.ts");
}

async function readInput(file: string): Promise<JsonValue> {
  try {
    return parseJson(file === "-" ? await standardInput() : await readFile(file, "utf8"));
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") {
      throw new InvalidInputError(`There is no file ${file}. Name a file that holds the input as JSON.`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** Prints a session's events as they come, until it ends or waits for something outside. */
async function followSession(
  { services, database }: Pick<Session, "services" | "database">,
  started: SessionSummary,
  show: boolean,
): Promise<SessionSummary> {
  let cursor: Cursor = {};
  let quiet = false;
  let lookAtMs = performance.now() + STILL_MS;
  for (;;) {
    const delta = await services.eventsAfter(started.session, cursor, 1000);
    const agents = new Map(delta.runs.map((run) => [run.run, run.agent]));
    for (const event of delta.events) {
      // What changed in the state is in the nodes' own lines; `replay` shows everything.
      if (show && event.type !== "superstep_finished")
        process.stdout.write(`${pc.dim(agents.get(event.run) ?? "")} ${describeEvent(event)}\n`);
      cursor = { ...cursor, [event.run]: event.seq };
    }
    if (delta.events.length > 0) lookAtMs = performance.now() + STILL_MS;
    else if (performance.now() > lookAtMs) {
      const why = await whyStuck(database, started.session);
      // Said once for as long as nothing moves.
      lookAtMs = why === null ? performance.now() + STILL_MS : Infinity;
      if (why !== null) process.stderr.write(`${pc.yellow("waiting")} ${why}\n`);
    }
    const waitsOutside = delta.session.waits.some(isOutside);
    const still = waitsOutside && delta.runs.every((run) => run.status !== "ready" && run.status !== "running");
    const ended = ENDED_STATUSES.includes(delta.session.status) && !delta.more;
    if (ended || (still && quiet && delta.events.length === 0)) {
      return delta.session;
    }
    // What one of its runs has just sent may be what another one waits for.
    quiet = still && !(await isOnTheWay(database, started.session));
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
  }
}

/** A sentence on a run of the session that nobody who is there can go on with; null where there is none. */
async function whyStuck(database: Database, session: string): Promise<string | null> {
  const run = await stuckRunOf(database, session);
  if (!run?.stuck) return null;
  return `The run of ${run.agent} does not go on: ${STUCK_WORDS[run.stuck]}. It goes on as soon as one is there; if "npx signalbox dev" runs, it says what keeps its workers from starting.`;
}

/** True for what does not end by itself, or by another run of the session that was asked. */
function isOutside(wait: Wait): boolean {
  return wait.kind !== "answer" && !("dueAt" in wait) && !(wait.kind === "message" && wait.until !== undefined);
}

function summary(session: SessionSummary): string {
  const waiting = waitsFor(session.waits);
  return `${pc.bold(session.status)}${waiting === "-" ? "" : `, waits for ${waiting}`} (session ${session.session})`;
}
