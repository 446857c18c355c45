import { randomUUID } from "node:crypto";
import type { ServerMessage } from "../../../runtime/core/protocol.ts";
import { freePort } from "../../../runtime/stack/probe.ts";
import { LiveClient } from "../../support/live-client.ts";
import { whileBusy } from "./busy.ts";
import { ContestantProcess } from "./contestant.ts";
import { WATCHED_SIGNALBOX } from "./contestants.ts";
import { startOperators, type Operators } from "./operators.ts";
import { compiledProgram } from "./programs.ts";
import { startContestant } from "./running-contestant.ts";
import { startBenchServers } from "./servers.ts";
import { quantile } from "./statistics.ts";

export interface Live {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly events: number;
  readonly frames: number;
}

/** So many people, each of whom watches one session after another. */
const WATCHERS = 3;
const SESSIONS_EACH = 3;
const STEPS = 100;

/** An event that came over a socket, and when: epoch ms. */
interface Arrival {
  readonly run: string;
  readonly seq: number;
  readonly atMs: number;
}

/**
 * How long it takes from an event's commit until its frame is at a client of the console, while a worker is busy. The
 * commit's time is Postgres's own, from before it waits for the disk. Servers of its own, because noting that time costs.
 */
export async function live(): Promise<Live> {
  await using servers = await startBenchServers({ notesCommitTimes: true });
  await using worker = await startContestant(servers, WATCHED_SIGNALBOX);
  await using operators = await startOperators(worker.databaseUrl, servers.nats.console);
  const port = await freePort();
  const console = await ContestantProcess.start(
    await compiledProgram(new URL("../../support/bench-console-process.ts", import.meta.url)),
    [],
    {
      DATABASE_URL: worker.databaseUrl,
      NATS_CONSOLE: JSON.stringify(servers.nats.console),
      PORT: String(port),
    },
  );
  try {
    const url = `http://127.0.0.1:${String(port)}`;
    const headers = { cookie: await signIn(url, operators), origin: url };
    const frames = await whileBusy(worker.process, async () => {
      const watching = Array.from({ length: WATCHERS }, () => watch(url, headers, operators));
      return (await Promise.all(watching)).flat();
    });
    const waits = await sinceCommits(operators, frames.flat());
    return {
      p50Ms: quantile(waits, 0.5),
      p99Ms: quantile(waits, 0.99),
      events: waits.length,
      frames: frames.length,
    };
  } finally {
    await console.close();
  }
}

/** @returns what a browser would send from then on */
async function signIn(url: string, { decider, password }: Operators): Promise<string> {
  const answer = await fetch(`${url}/api/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url },
    body: JSON.stringify({ name: decider.name, password }),
  });
  const [cookie] = answer.headers.getSetCookie();
  if (!answer.ok || cookie === undefined) throw new Error(`The sign-in was answered with ${String(answer.status)}.`);
  return cookie.split(";")[0] ?? "";
}

/** A page that shows sessions, one after another. @returns the frames that came with what was new in them */
async function watch(
  url: string,
  headers: Readonly<Record<string, string>>,
  { services, starter }: Operators,
): Promise<Arrival[][]> {
  using client = await LiveClient.open(url, "", { headers });
  const frames: Arrival[][] = [];
  const opened = new Set<string>();
  client.socket.prependListener("message", (data: Buffer) => {
    const atMs = performance.timeOrigin + performance.now();
    const message = JSON.parse(data.toString("utf8")) as ServerMessage;
    if (message.type !== "events") return;
    // The first frame brings what there was already.
    if (opened.has(message.id)) frames.push(message.events.map(({ run, seq }) => ({ run, seq, atMs })));
    opened.add(message.id);
  });
  // As every page of the console does.
  for (const kind of ["approvals", "questions", "sessions"] as const) client.subscribe(kind, { kind });
  for (let i = 0; i < SESSIONS_EACH; i++) {
    const started = await services.startRun(starter, {
      agent: "slow",
      input: { id: randomUUID(), steps: STEPS, log: [] },
    });
    const { session } = started.session;
    client.subscribe(session, { kind: "session", session, have: {} });
    await client.next(
      "events",
      ({ id, events }) => id === session && events.some(({ type }) => type === "run_finished"),
    );
    client.send({ type: "unsubscribe", id: session });
    client.received.length = 0;
  }
  return frames;
}

/** Milliseconds from each event's commit until it came. */
async function sinceCommits({ database }: Operators, arrivals: readonly Arrival[]): Promise<number[]> {
  const rows = await database.query<{ run: string; seq: number; committedMs: number }>(
    `select run_id as run, seq, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as "committedMs"
     from events where run_id = any($1)`,
    [[...new Set(arrivals.map(({ run }) => run))]],
  );
  const committedMs = new Map(rows.map((row) => [`${row.run} ${String(row.seq)}`, row.committedMs]));
  return arrivals.map(({ run, seq, atMs }) => {
    const ms = atMs - (committedMs.get(`${run} ${String(seq)}`) ?? NaN);
    if (!(ms > 0)) throw new Error(`An event came ${String(-ms)} ms before its commit.`);
    return ms;
  });
}
