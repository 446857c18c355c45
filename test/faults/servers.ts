import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openConnection } from "../../runtime/journal/database.ts";
import { findPrograms } from "../../runtime/stack/find-programs.ts";
import { greet } from "../../runtime/stack/named-nats.ts";
import { freePort } from "../../runtime/stack/probe.ts";
import { serverUser, type ServerUser } from "../../runtime/stack/server-user.ts";
import { delay, holds } from "./wait.ts";

export interface FaultPrograms {
  readonly nats: string;
  /** The folder with `postgres` and `initdb`. */
  readonly postgres: string;
  readonly user: ServerUser | undefined;
}

export async function faultPrograms(): Promise<FaultPrograms> {
  const user = await serverUser();
  const { nats, postgres } = await findPrograms({}, user, { postgres: true, nats: true });
  if (!nats || !postgres) throw new Error("There is no nats-server or no Postgres.");
  return { nats: nats.path, postgres: postgres.binFolder, user };
}

/** A folder that the servers' user can write. */
export async function serverFolder(user: ServerUser | undefined): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-faults-"));
  if (user) await chown(folder, user.uid, user.gid);
  return folder;
}

/** One server process of ours that is stopped, killed and started again on the same port and data. */
class Server {
  readonly #command: () => readonly [string, ...string[]];
  readonly #ready: () => Promise<boolean>;
  readonly #programs: FaultPrograms;
  readonly #cwd: string;
  #child: ChildProcess | null = null;

  constructor(
    programs: FaultPrograms,
    cwd: string,
    command: () => readonly [string, ...string[]],
    ready: () => Promise<boolean>,
  ) {
    this.#programs = programs;
    this.#cwd = cwd;
    this.#command = command;
    this.#ready = ready;
  }

  get running(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  async start(): Promise<void> {
    // A server that was killed may leave children that hold its memory for a moment.
    for (let tries = 0; tries < 100; tries++) {
      const [program, ...args] = this.#command();
      const child = spawn(program, args, { stdio: "ignore", cwd: this.#cwd, ...userOf(this.#programs) });
      this.#child = child;
      await holds(async () => !this.running || (await this.#ready()), 30_000);
      if (this.running) return;
      await delay(50);
    }
    throw new Error(`${this.#command()[0]} does not start.`);
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }
}

function userOf({ user }: FaultPrograms): { uid?: number; gid?: number } {
  return user ? { uid: user.uid, gid: user.gid } : {};
}

/** A nats-server with JetStream, for faults. */
export class FaultNats {
  readonly url: string;
  /** Where it says what it has, over HTTP. */
  readonly monitor: string;
  readonly #server: Server;
  readonly #store: string;
  readonly #programs: FaultPrograms;

  private constructor(programs: FaultPrograms, folder: string, port: number, monitorPort: number) {
    this.url = `nats://127.0.0.1:${String(port)}`;
    this.monitor = `http://127.0.0.1:${String(monitorPort)}`;
    this.#store = join(folder, "jetstream");
    this.#programs = programs;
    this.#server = new Server(
      programs,
      folder,
      () => [
        ...([programs.nats, "-a", "127.0.0.1", "-p", String(port)] as const),
        ...["-m", String(monitorPort), "-js", "-sd", this.#store],
      ],
      async () => Boolean(await greet("127.0.0.1", port, {})),
    );
  }

  static async start(programs: FaultPrograms, folder: string): Promise<FaultNats> {
    const nats = new FaultNats(programs, folder, await freePort(), await freePort());
    await nats.start();
    return nats;
  }

  async start(): Promise<void> {
    await mkdir(this.#store, { recursive: true });
    const { user } = this.#programs;
    if (user) await chown(this.#store, user.uid, user.gid);
    await this.#server.start();
  }

  stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    return this.#server.stop(signal);
  }

  /** Kills it, and deletes all that JetStream holds. */
  async lose(): Promise<void> {
    await this.stop("SIGKILL");
    await rm(this.#store, { recursive: true, force: true });
  }
}

const SUPERUSER = "signalbox";
/** Few, so that a test can take them all. */
export const MAX_CONNECTIONS = 60;

async function run(programs: FaultPrograms, cwd: string, program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"], cwd, ...userOf(programs) });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`${program} ended with ${String(code)}.`);
}

/** A Postgres for faults. */
export class FaultPostgres {
  readonly #server: Server;
  readonly #port: number;

  private constructor(programs: FaultPrograms, data: string, port: number, more: readonly string[]) {
    this.#port = port;
    const settings = [
      "listen_addresses=127.0.0.1",
      "unix_socket_directories=",
      "jit=off",
      `max_connections=${String(MAX_CONNECTIONS)}`,
      ...more,
    ].flatMap((setting) => ["-c", setting]);
    this.#server = new Server(
      programs,
      data,
      () => [join(programs.postgres, "postgres"), "-D", data, "-p", String(port), ...settings],
      async () => {
        const connection = await openConnection({ url: this.url("postgres"), applicationName: "faults-ready" });
        await connection.end();
        return true;
      },
    );
  }

  /** Makes a cluster that {@link start} copies, which takes a tenth of the time. @returns its folder */
  static async init(programs: FaultPrograms, folder: string): Promise<string> {
    const blank = join(folder, "blank");
    const given = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--wal-segsize=1", "-N"];
    await run(programs, folder, join(programs.postgres, "initdb"), ["-D", blank, ...given]);
    return blank;
  }

  /**
   * Copies a cluster that was never started into this folder, and starts it.
   *
   * @param settings as `name=value`, after our own
   */
  static async start(
    programs: FaultPrograms,
    folder: string,
    blank: string,
    settings: readonly string[] = [],
  ): Promise<FaultPostgres> {
    const data = join(folder, "postgres");
    await run(programs, folder, "cp", ["-a", blank, data]);
    const postgres = new FaultPostgres(programs, data, await freePort(), settings);
    await postgres.start();
    return postgres;
  }

  url(database: string): string {
    return `postgres://${SUPERUSER}@127.0.0.1:${String(this.#port)}/${database}`;
  }

  get running(): boolean {
    return this.#server.running;
  }

  start(): Promise<void> {
    return this.#server.start();
  }

  /** "immediate": as a crash of the server that it notices; "kill": the postmaster gets a SIGKILL. */
  stop(how: "immediate" | "kill"): Promise<void> {
    return this.#server.stop(how === "kill" ? "SIGKILL" : "SIGQUIT");
  }
}
