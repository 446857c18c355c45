import { readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ServerFailedError } from "./errors.ts";
import { freeBytes, megabytes } from "./files.ts";
import type { Keeper, KeptProcess } from "./keeper-client.ts";
import { freePort, isPortFree } from "./probe.ts";
import { lastLines } from "./run-program.ts";
import type { ServerUser } from "./server-user.ts";

/** Recovery after a crash may take a while; nothing that starts normally takes this long. */
const READY_WITHIN_MS = 120_000;
const PORT_ATTEMPTS = 5;
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
/** What an empty Postgres takes. */
const LITTLE_ROOM_BYTES = 50_000_000;

/** What every private server is started with. */
export interface PrivateServer {
  /** The servers' own folder. */
  readonly folder: string;
  readonly keeper: Keeper;
  readonly user: ServerUser | undefined;
}

export interface ServerPlan {
  readonly name: "postgres" | "nats";
  readonly command: string;
  readonly args: (port: number) => readonly string[];
  readonly stopSignal: NodeJS.Signals;
  /** Called before each attempt, for what has to know the port. */
  readonly prepare?: (port: number) => Promise<void>;
  /** Resolves to false if the process ended before it was ready. */
  readonly ready: (process: KeptProcess, port: number) => Promise<boolean>;
}

/** Starts a server on a free loopback port and waits until it is ready; from then on it is guarded. */
export async function startServer(
  { folder, keeper, user }: PrivateServer,
  plan: ServerPlan,
): Promise<{ port: number; process: KeptProcess }> {
  const logFile = join(folder, `${plan.name}.log`);
  await keepOneOldLog(logFile);
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    await plan.prepare?.(port);
    const process = await keeper.start({
      name: plan.name,
      command: plan.command,
      args: plan.args(port),
      env: serverEnvironment(),
      cwd: folder,
      logFile,
      stopSignal: plan.stopSignal,
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    });
    if (await plan.ready(process, port)) {
      keeper.guard(plan.name);
      return { port, process };
    }
    // Between our look and the server's bind, somebody else may have taken the port.
    const lostPort = !(await isPortFree(port));
    if (!lostPort || attempt === PORT_ATTEMPTS) throw await serverFailed(plan.name, await process.ended, logFile);
  }
}

/** Polls a condition until it holds (true) or the process has ended (false). */
export async function waitUntil(process: KeptProcess, condition: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + READY_WITHIN_MS;
  const over = new AbortController();
  void process.ended.then(() => {
    over.abort();
  });
  while (!over.signal.aborted) {
    if (await condition()) return true;
    if (performance.now() > deadline) {
      throw new ServerFailedError(
        `A private server (process ${String(process.pid)}) was not ready within ${String(READY_WITHIN_MS / 1000)} s. Its log is in the data folder.`,
        { details: { pid: process.pid } },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return false;
}

/** The error for a server that ended, with the last of what it said. */
export async function serverFailed(name: string, status: string, logFile: string): Promise<ServerFailedError> {
  const said = lastLines(await readFile(logFile, "utf8").catch(() => ""), 5);
  // A full disk takes no last words either.
  const free = await freeBytes(dirname(logFile)).catch(() => Infinity);
  const room = free > LITTLE_ROOM_BYTES ? "" : ` Its disk is full (${megabytes(free)} MB are free): make room.`;
  return new ServerFailedError(
    `The private ${name} server did not start (${status}).${room} The last that it said: ${said === "" ? "nothing" : said}\nIts log is ${logFile}.`,
    { details: { program: name, status, logFile } },
  );
}

async function keepOneOldLog(file: string): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT_BYTES) await rename(file, `${file}.old`);
}

/** Only what a server needs: PGDATA, PGPORT and their like in our own environment are about other servers. */
export function serverEnvironment(): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C" };
}
