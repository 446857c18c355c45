import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino, type Logger } from "pino";
import { createConsole, type ConsoleOptions, type ConsoleServer } from "../../console/server/index.ts";
import type { LiveNotice, TokenFrame } from "../../runtime/core/bus.ts";
import type { Database } from "../../runtime/core/database.ts";
import type { Role } from "../../runtime/core/people.ts";
import { openDatabase } from "../../runtime/journal/database.ts";
import type { Me } from "../../runtime/core/protocol.ts";
import { createPeople, type People } from "../../runtime/people/index.ts";
import { createTestDatabase } from "./database.ts";
import { ask, type HttpAnswer } from "./http.ts";
import { MemoryConsoleServices } from "./memory-console-services.ts";

/** Somebody with a token. */
export interface Caller {
  readonly name: string;
  readonly token: string;
  get(path: string): Promise<HttpAnswer>;
  post(path: string, body?: unknown): Promise<HttpAnswer>;
}

/** A console's server on real people in Postgres and on services in memory. */
export interface TestConsole extends AsyncDisposable {
  readonly url: string;
  readonly server: ConsoleServer;
  readonly people: People;
  readonly database: Database;
  readonly services: MemoryConsoleServices;
  /** Everything that the server logged, a JSON line each. */
  readonly logged: readonly string[];
  /** Hands the server a live notice, as the bus would. */
  notify(notice: LiveNotice): void;
  /** A worker tells what a model says. */
  say(frame: TokenFrame): void;
  caller(name: string, roles: readonly Role[], kind?: "person" | "service"): Promise<Caller>;
  /** Closes the server and starts another on the same people, services and port. */
  restart(): Promise<void>;
}

/** Adds a user with a token of theirs. */
export async function addCaller(
  people: People,
  url: () => string,
  user: { readonly name: string; readonly roles: readonly Role[]; readonly kind?: "person" | "service" | undefined },
): Promise<Caller> {
  const { name, roles, kind = "person" } = user;
  await people.addUser({ name, roles, kind });
  const { secret } = await people.createToken({ user: name, name: "test", expiresInMs: 3_600_000 });
  const headers = { authorization: `Bearer ${secret}` };
  return {
    name,
    token: secret,
    get: (path) => ask(url() + path, { headers }),
    post: (path, body) => ask(url() + path, { method: "POST", headers, body }),
  };
}

/** Signs in and gives what a browser would then send. */
export async function signInAt(
  url: string,
  body: unknown,
): Promise<{ readonly me: Me; readonly cookie: string; readonly setCookie: string }> {
  const answer = await ask(`${url}/api/sign-in`, { method: "POST", body });
  if (answer.status !== 200) throw new Error(`The sign-in was answered with ${String(answer.status)}: ${answer.text}`);
  const setCookie = answer.headers["set-cookie"]?.[0] ?? "";
  return { me: answer.json() as Me, cookie: setCookie.split(";")[0] ?? "", setCookie };
}

/** A folder that looks like built pages, for tests that only look at how files are served. */
export async function stubPages(): Promise<{ readonly folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-web-"));
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, "index.html"), "<!doctype html><title>Signalbox</title>");
  await writeFile(join(folder, "assets", "app-1a2b.js"), "export {};");
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

export async function startTestConsole(options: Partial<ConsoleOptions> = {}): Promise<TestConsole> {
  const created = await createTestDatabase();
  const database = openDatabase({ url: created.url });
  const people = createPeople({ database });
  const services = new MemoryConsoleServices();
  const logged: string[] = [];
  const log: Logger = pino({ level: "trace" }, { write: (line: string) => logged.push(line) });
  const handlers = new Set<(notice: LiveNotice) => void>();
  const listeners = new Set<(frame: TokenFrame) => void>();
  const bus = {
    onLive: (handler: (notice: LiveNotice) => void) => {
      handlers.add(handler);
      return Promise.resolve();
    },
    onTokens: (handler: (frame: TokenFrame) => void) => {
      listeners.add(handler);
      return Promise.resolve();
    },
  };
  const start = (port: number) =>
    createConsole({ people, services, bus, log, port, signInLimits: { perAddress: 10_000 }, ...options });
  let server = await start(0);
  return {
    get url() {
      return server.url;
    },
    get server() {
      return server;
    },
    people,
    database,
    services,
    logged,
    notify: (notice) => {
      for (const handler of handlers) handler(notice);
    },
    say: (frame) => {
      for (const listener of listeners) listener(frame);
    },
    caller: (name, roles, kind) => addCaller(people, () => server.url, { name, roles, kind }),
    async restart() {
      const port = Number(new URL(server.url).port);
      await server.close();
      handlers.clear();
      listeners.clear();
      server = await start(port);
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await database.end();
      await created[Symbol.asyncDispose]();
    },
  };
}
