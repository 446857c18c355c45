import { randomBytes } from "node:crypto";
import { chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { NatsAccess } from "../core/stack.ts";
import { startServer, waitUntil, type PrivateServer } from "./kept-server.ts";
import { greet } from "./named-nats.ts";
import type { NatsProgram } from "./programs.ts";
import type { Secrets } from "./secrets.ts";

export interface RunningNats {
  readonly worker: NatsAccess;
  readonly console: NatsAccess;
  readonly port: number;
  readonly pid: number;
  readonly dataFolder: string;
}

/** What consoles get replies under. Their own, so that a console cannot listen to a worker's. */
const CONSOLE_INBOX = "_INBOX_CONSOLE";

/** Who may do what on a private server: workers what workers publish, consoles read and wake. */
const PERMISSIONS = {
  worker: {
    publish: ["work.>", "mail.>", "topic.>", "dead.>", "live.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "_INBOX.>"],
    subscribe: ["work.>", "mail.>", "topic.>", "dead.>", "live.>", "$JS.EVENT.>", "_INBOX.>"],
  },
  console: {
    publish: ["work.>"],
    subscribe: ["live.>", `${CONSOLE_INBOX}.>`],
  },
} as const;

/** Starts the private nats-server with JetStream. @throws `ServerFailedError` if it does not come up. */
export async function startNats(server: PrivateServer, program: NatsProgram, secrets: Secrets): Promise<RunningNats> {
  const { folder, user } = server;
  const dataFolder = join(folder, "nats");
  const configFile = join(folder, "nats.conf");
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  if (user) await chown(dataFolder, user.uid, user.gid);
  // Answers to our greeting only if it is ours: another program may have taken the port.
  const serverName = `signalbox-${randomBytes(6).toString("hex")}`;
  const { port, process } = await startServer(server, {
    name: "nats",
    command: program.path,
    args: () => ["-c", configFile],
    stopSignal: "SIGTERM",
    async prepare(port) {
      await writeFile(configFile, natsConfig({ port, serverName, dataFolder, secrets }), { mode: 0o600 });
      if (user) await chown(configFile, user.uid, user.gid);
    },
    ready: (process, port) =>
      waitUntil(process, async () => {
        const access = { user: "worker", password: secrets.natsWorker };
        const answer = await greet("127.0.0.1", port, access).catch(() => undefined);
        return answer?.info.server_name === serverName && answer.refused === undefined;
      }),
  });
  const servers = [`nats://127.0.0.1:${String(port)}`];
  return {
    worker: { servers, user: "worker", password: secrets.natsWorker },
    console: { servers, user: "console", password: secrets.natsConsole, inboxPrefix: CONSOLE_INBOX },
    port,
    pid: process.pid,
    dataFolder,
  };
}

/** The server's configuration. NATS reads JSON; every text is quoted by it. */
export function natsConfig(options: {
  readonly port: number;
  readonly serverName: string;
  readonly dataFolder: string;
  readonly secrets: Pick<Secrets, "natsWorker" | "natsConsole">;
}): string {
  return JSON.stringify(
    {
      server_name: options.serverName,
      host: "127.0.0.1",
      port: options.port,
      jetstream: { store_dir: options.dataFolder },
      authorization: {
        users: [
          { user: "worker", password: options.secrets.natsWorker, permissions: PERMISSIONS.worker },
          { user: "console", password: options.secrets.natsConsole, permissions: PERMISSIONS.console },
        ],
      },
    },
    null,
    2,
  );
}
