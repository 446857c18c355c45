/**
 * The console's server for the engine's benchmark, as it is shipped. `DATABASE_URL`, `NATS_CONSOLE` (access as JSON) and
 * `PORT` say with what.
 */
import { pathToFileURL } from "node:url";
import pino from "pino";
import type { NatsAccess } from "../../runtime/core/stack.ts";
import { startConsole } from "../../runtime/platform/console-process.ts";
import { serve } from "../bench/engine/serve.ts";
import { benchProject } from "./bench-project.ts";

const { DATABASE_URL = "", NATS_CONSOLE = "", PORT = "" } = process.env;

const console = await startConsole({
  // The console judges nothing, so there are no rules to be read.
  config: benchProject(["held", "slow"], pathToFileURL("/none")),
  databaseUrl: DATABASE_URL,
  nats: JSON.parse(NATS_CONSOLE) as NatsAccess,
  log: pino({ level: "warn" }, pino.destination(2)),
  port: Number(PORT),
});

serve({
  versions: {},
  run: () => Promise.reject(new Error("A console runs nothing.")),
  close: () => console.close(),
});
