/**
 * Run as a process of its own: a worker of the crashing project. Prints `ready`, and the id of each call.
 * Usage: crashing-worker-process DATABASE_URL NATS_URL RULES TAKE HOLDS
 */
import pino from "pino";
import { startWorker } from "../../runtime/platform/worker-process.ts";
import { crashingProject } from "./crashing-project.ts";

const [databaseUrl, natsUrl, rules, take, holds] = process.argv.slice(2);
if (!databaseUrl || !natsUrl || !rules) throw new Error("usage: see the head of the file");
const suspects = take === "suspects";
await startWorker({
  config: crashingProject({
    rules: new URL(rules),
    mended: false,
    holds: holds === "yes",
    onCall: (id) => {
      console.log(id);
    },
  }),
  databaseUrl,
  nats: { servers: [natsUrl] },
  log: pino({ level: "silent" }),
  slots: suspects ? 1 : 20,
  take: suspects ? "suspects" : "sound",
  limits: { leaseMs: 1_000 },
  sweepMs: 50,
});
console.log("ready");
