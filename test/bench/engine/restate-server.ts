import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../../runtime/stack/probe.ts";

const PROGRAM = fileURLToPath(new URL("../node_modules/.bin/restate-server", import.meta.url));
const START_MS = 60_000;

export interface RestateServer extends AsyncDisposable {
  readonly ingress: string;
  readonly admin: string;
}

/** Starts a Restate server as it comes, with a data folder of its own. */
export async function startRestate(): Promise<RestateServer> {
  const folder = await mkdtemp(join(tmpdir(), "signalbox-bench-restate-"));
  const [ingress, admin, node] = await Promise.all([freePort(), freePort(), freePort()]);
  const server = spawn(PROGRAM, ["--base-dir", folder, "--no-logo"], {
    env: {
      ...process.env,
      DO_NOT_TRACK: "1",
      RESTATE_DISABLE_TELEMETRY: "true",
      RESTATE_LOG_FILTER: "warn",
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${String(ingress)}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${String(admin)}`,
      RESTATE_BIND_ADDRESS: `127.0.0.1:${String(node)}`,
    },
    stdio: ["ignore", "ignore", "inherit"],
    // What npm installs is a script that starts the program: both have to end.
    detached: true,
  });
  const exited = once(server, "exit");
  const close = async (): Promise<void> => {
    if (server.pid !== undefined && server.exitCode === null) process.kill(-server.pid, "SIGKILL");
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  const urls = { ingress: `http://127.0.0.1:${String(ingress)}`, admin: `http://127.0.0.1:${String(admin)}` };
  for (const deadline = performance.now() + START_MS; ;) {
    if ((await fetch(`${urls.admin}/health`).catch(() => null))?.ok === true) break;
    if (performance.now() > deadline || server.exitCode !== null) {
      await close();
      throw new Error("Restate's server did not start.");
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { ...urls, [Symbol.asyncDispose]: close };
}
