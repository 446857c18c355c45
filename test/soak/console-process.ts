/** A console of the soak, as `signalbox console` starts one. `DATABASE_URL`, `NATS_URL`, `RULES` and `PORT` say with what. */
import pino from "pino";
import { startConsole } from "../../runtime/platform/console-process.ts";
import { serveSoak } from "./figures.ts";
import { soakProject, type RulesPlace } from "./project.ts";

const { DATABASE_URL = "", NATS_URL = "", RULES = "", PORT = "", LOG = "error" } = process.env;

const console = await startConsole({
  config: soakProject(JSON.parse(RULES) as RulesPlace),
  databaseUrl: DATABASE_URL,
  nats: { servers: [NATS_URL] },
  log: pino({ level: LOG }, pino.destination(2)),
  port: Number(PORT),
});

serveSoak(
  () => console.close(),
  () => {
    throw new Error("A console runs nothing.");
  },
);
