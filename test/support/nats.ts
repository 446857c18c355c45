import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import type { NatsAccess } from "../../runtime/core/stack.ts";
import { greet } from "../../runtime/stack/named-nats.ts";
import { freePort } from "../../runtime/stack/probe.ts";
import { serverUser } from "../../runtime/stack/server-user.ts";
import { urlOfNats } from "./servers.ts";

/** How to reach the run's NATS as a worker and as a console. All tests share it: use names of your own. */
export function testNats(): { readonly worker: NatsAccess; readonly console: NatsAccess } {
  return inject("testServers").nats;
}

/** The worker's access as a URL with user and password, for what takes NATS_URL. */
export function testNatsUrl(): string {
  return urlOfNats(testNats().worker);
}

/** A nats-server with JetStream of one test's own, to be stopped, killed, wiped and started again. */
export interface TestNats extends AsyncDisposable {
  /** Anybody may do anything on it. Stays the same over restarts. */
  readonly access: NatsAccess;
  readonly url: string;
  /** Ends the server: in good order, or with SIGKILL. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts a stopped server again on the same port and data, with JetStream as at first unless said otherwise. */
  start(options?: Pick<TestNatsOptions, "jetStream">): Promise<void>;
  /** Deletes all that JetStream holds. Only while the server is stopped. */
  wipe(): Promise<void>;
}

export interface TestNatsOptions {
  /** Default true. */
  readonly jetStream?: boolean;
  /** A configuration file for the server, beside what is set here. */
  readonly configFile?: string;
}

/** Starts a private nats-server in some 30 ms. */
export async function startTestNats(options: TestNatsOptions = {}): Promise<TestNats> {
  const { natsProgram } = inject("testServers");
  const user = await serverUser();
  const folder = await mkdtemp(join(tmpdir(), "signalbox-nats-"));
  const store = join(folder, "jetstream");
  const port = await freePort();
  let child: ChildProcess | undefined;

  const nats: TestNats = {
    access: { servers: [`nats://127.0.0.1:${String(port)}`] },
    url: `nats://127.0.0.1:${String(port)}`,
    async start({ jetStream = options.jetStream } = {}) {
      if (child) throw new Error("This nats-server runs already.");
      await mkdir(store, { recursive: true });
      if (user) for (const path of [folder, store]) await chown(path, user.uid, user.gid);
      const args = ["-a", "127.0.0.1", "-p", String(port), "-sd", store];
      if (jetStream !== false) args.push("-js");
      if (options.configFile !== undefined) args.push("-c", options.configFile);
      const started = spawn(natsProgram, args, {
        stdio: "ignore",
        cwd: folder,
        ...(user ? { uid: user.uid, gid: user.gid } : {}),
      });
      child = started;
      while (!(await greet("127.0.0.1", port, {}).catch(() => undefined))) {
        if (started.exitCode !== null) throw new Error(`nats-server ended with exit code ${String(started.exitCode)}.`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async stop(signal = "SIGTERM") {
      const stopping = child;
      child = undefined;
      if (!stopping || stopping.exitCode !== null || stopping.signalCode !== null) return;
      const exited = once(stopping, "exit");
      stopping.kill(signal);
      await exited;
    },
    async wipe() {
      if (child) throw new Error("Stop this nats-server before wiping its data.");
      await rm(store, { recursive: true, force: true });
    },
    async [Symbol.asyncDispose]() {
      await nats.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await nats.start();
  return nats;
}
