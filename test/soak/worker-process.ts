/**
 * A worker of the soak, as `signalbox worker` starts one, which also starts runs as a service does that it is a part of.
 * `DATABASE_URL`, `NATS_URL`, `BANK`, `RULES` and `TAKE` say with what; with `LEAK_MB` it leaks so much a minute.
 */
import pino from "pino";
import type { Take } from "../../runtime/core/journal.ts";
import { startWorker } from "../../runtime/platform/worker-process.ts";
import { serveSoak } from "./figures.ts";
import { soakProject, type RulesPlace } from "./project.ts";

const {
  DATABASE_URL = "",
  NATS_URL = "",
  BANK = "",
  RULES = "",
  TAKE = "",
  LEAK_MB = "0",
  LOG = "error",
} = process.env;
const BYTES_PER_NUMBER = 8;
const LEAKS_PER_MINUTE = 60;

const take = TAKE as Take;
const worker = await startWorker({
  config: soakProject(JSON.parse(RULES) as RulesPlace, Number(BANK)),
  databaseUrl: DATABASE_URL,
  nats: { servers: [NATS_URL] },
  log: pino({ level: LOG }, pino.destination(2)),
  take,
  ...(take === "suspects" ? { slots: 1 } : {}),
});

const leaked: number[][] = [];
const leak = (Number(LEAK_MB) * 2 ** 20) / LEAKS_PER_MINUTE / BYTES_PER_NUMBER;
if (leak > 0)
  setInterval(() => leaked.push(Array.from({ length: leak }, () => 0.5)), 60_000 / LEAKS_PER_MINUTE).unref();

serveSoak(
  () => worker.close(),
  (agent, id) => {
    // How it ends is looked up in the record; whether there is one at all is not certain where this process is killed.
    void worker.runs.run({ agent, input: { id }, startedBy: { kind: "service", id: "shop" } }).catch(() => undefined);
  },
);
