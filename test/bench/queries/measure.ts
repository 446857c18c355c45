import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Database } from "../../../runtime/core/database.ts";
import type { NatsAccess } from "../../../runtime/core/stack.ts";
import { openDatabase } from "../../../runtime/journal/database.ts";
import { createPeople } from "../../../runtime/people/index.ts";
import { askPage, get, pagesOf, type Api } from "./ask.ts";
import type { ConsoleAnswer, ConsoleOrder } from "./console-child.ts";
import { LiveSocket } from "./first-frames.ts";
import type { ListQuery } from "./lists.ts";

export interface Timing {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly rows: number;
}
export type Timings = Record<string, Timing>;

/** What is asked for again and again: gives how long it took and how many rows came. */
type Ask = () => Promise<{ readonly ms: number; readonly rows: number }>;

/** What was measured of the lists and first frames, and of the routes that give one thing. */
export interface Measured {
  readonly routes: Timings;
  readonly ones: Timings;
  /** The memory of the server's process after all of it. */
  readonly serverMb: number;
}

/** Starts the console's server in a process of its own, on a database that has a history, and asks it for everything. */
export async function measure(
  on: { readonly databaseUrl: string; readonly nats: NatsAccess },
  queries: readonly ListQuery[],
  times: number,
): Promise<Measured> {
  const database = openDatabase({ url: on.databaseUrl, max: 2 });
  const child = fork(fileURLToPath(new URL("console-child.ts", import.meta.url)));
  try {
    const api: Api = { url: await listening(child, on), token: await operatorsToken(database) };
    // Right after the fill, before Postgres has looked at what there is: the statements have to be right without.
    const lists = await timed(await asksOf(api, queries), times);
    const routes = { ...lists, ...(await frames(api, database)) };
    const ones = await timed(await onesOf(api, database), times);
    return { routes, ones, serverMb: await memoryOf(child) };
  } finally {
    if (child.connected) child.disconnect();
    await database.end();
  }
}

/** Every list with every choice of filters, a page each. */
async function asksOf(api: Api, queries: readonly ListQuery[]): Promise<Map<string, Ask>> {
  const asks = new Map<string, Ask>();
  for (const query of queries) {
    const filters = new URLSearchParams(query.filters).toString();
    for (const { page, after } of await pagesOf(api, query)) {
      const name = `${query.route}${filters === "" ? "" : `?${filters}`}${page === "first" ? "" : ` (${page} page)`}`;
      asks.set(name, () => askPage(api, query, after));
    }
  }
  return asks;
}

/** In turns, so that a slow moment of the machine hits all alike. */
async function timed(asks: ReadonlyMap<string, Ask>, times: number): Promise<Timings> {
  const figures = new Map([...asks.keys()].map((name) => [name, { ms: [] as number[], rows: 0 }]));
  for (let i = 0; i < times; i++) {
    for (const [name, ask] of asks) {
      const { ms, rows } = await ask();
      const of = figures.get(name);
      of?.ms.push(ms);
      if (of) of.rows = rows;
    }
  }
  return Object.fromEntries([...figures].map(([name, { ms, rows }]) => [name, timingOf(ms, rows)]));
}

async function frames(api: Api, on: Database): Promise<Timings> {
  using socket = await LiveSocket.open(api);
  const sessions = await sampleOf(
    on,
    "select session_id as id from runs where parent_id is null order by random() limit 100",
  );
  const [longest] = await sampleOf(on, "select session_id as id from runs order by head_seq desc limit 1");
  const session = (id: string) => ({ kind: "session", session: id, have: {} }) as const;
  const timings: Timings = {};
  for (const kind of ["sessions", "approvals", "questions"] as const) {
    const ms = [];
    for (let i = 0; i < 60; i++) ms.push(await socket.firstFrame({ kind }));
    timings[`socket: ${kind}`] = timingOf(ms, 0);
  }
  const ms = [];
  for (const id of sessions) ms.push(await socket.firstFrame(session(id)));
  timings["socket: session"] = timingOf(ms, 0);
  const long = [];
  for (let i = 0; i < 100; i++) long.push(await socket.firstFrame(session(longest ?? "")));
  timings["socket: the longest session"] = timingOf(long, 0);
  return timings;
}

/** Routes that give one thing: each time another one. */
async function onesOf(api: Api, on: Database): Promise<Map<string, Ask>> {
  const sessions = await sampleOf(
    on,
    "select session_id as id from runs where parent_id is null order by random() limit 50",
  );
  const runs = await sampleOf(on, "select run_id as id from runs order by random() limit 50");
  const approvals = await sampleOf(on, "select approval_id as id from approvals order by random() limit 50");
  const questions = await sampleOf(on, "select question_id as id from questions order by random() limit 50");
  const dead = await sampleOf(on, "select id from dead_letters order by random() limit 50");
  const one = (ids: readonly string[], path: (id: string) => string): Ask => {
    let asked = 0;
    return async () => ({ ms: (await get(api, new URL(path(ids[asked++ % ids.length] ?? ""), api.url))).ms, rows: 1 });
  };
  return new Map([
    ["GET /api/sessions/:id", one(sessions, (id) => `/api/sessions/${id}`)],
    ["GET /api/sessions/:id/state", one(sessions, (id) => `/api/sessions/${id}/state?run=${id}&seq=10`)],
    ["GET /api/sessions/:id/verify", one(sessions, (id) => `/api/sessions/${id}/verify`)],
    ["GET /api/runs/:id", one(runs, (id) => `/api/runs/${id}`)],
    ["GET /api/approvals/:id", one(approvals, (id) => `/api/approvals/${id}`)],
    ["GET /api/questions/:id", one(questions, (id) => `/api/questions/${id}`)],
    ["GET /api/dead-letters/:id", one(dead, (id) => `/api/dead-letters/${id}`)],
    ["GET /api/me", one([""], () => "/api/me")],
    ["GET /api/health", one([""], () => "/api/health")],
  ]);
}

async function sampleOf(on: Database, statement: string): Promise<string[]> {
  return (await on.query<{ id: string }>(statement)).map(({ id }) => id);
}

async function operatorsToken(on: Database): Promise<string> {
  const people = createPeople({ database: on });
  await people.addUser({ name: "grace", kind: "person", roles: ["operator", "auditor"] });
  await people.addToPool("finance", "grace");
  const { secret } = await people.createToken({ user: "grace", name: "bench", expiresInMs: 86_400_000 });
  return secret;
}

async function listening(server: ChildProcess, order: ConsoleOrder): Promise<string> {
  server.send(order);
  const [said] = (await Promise.race([once(server, "message"), ended(server)])) as [ConsoleAnswer];
  if (said.kind !== "listens") throw new Error("The console's server did not say where it listens.");
  return said.url;
}

async function memoryOf(server: ChildProcess): Promise<number> {
  server.send("memory");
  const [said] = (await Promise.race([once(server, "message"), ended(server)])) as [ConsoleAnswer];
  return said.kind === "memory" ? said.rssMb : NaN;
}

async function ended(server: ChildProcess): Promise<never> {
  await once(server, "exit");
  throw new Error("The console's server ended early.");
}

function timingOf(ms: readonly number[], rows: number): Timing {
  const sorted = ms.toSorted((a, b) => a - b);
  // The smallest figure that so many are not above.
  const at = (share: number): number => Math.round((sorted[Math.ceil(sorted.length * share) - 1] ?? NaN) * 10) / 10;
  return { p50Ms: at(0.5), p99Ms: at(0.99), rows };
}
