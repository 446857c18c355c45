/**
 * Run as a process of its own, to be killed: a worker of the bank project. Prints `ready`, and `held` once its
 * call stands where it was told to. Usage: bank-worker-process DATABASE_URL NATS_URL LEDGER RULES RECONCILE HOLD
 */
import pino from "pino";
import { startWorker } from "../../runtime/platform/worker-process.ts";
import { bankProject } from "./bank-project.ts";

const [databaseUrl, natsUrl, ledger, rules, reconcile, hold] = process.argv.slice(2);
if (!databaseUrl || !natsUrl || !ledger || !rules) throw new Error("usage: see the head of the file");
await startWorker({
  config: bankProject({
    ledger,
    rules: new URL(rules),
    reconcile: reconcile === "yes",
    hold: hold === "before" || hold === "after" ? hold : undefined,
    onHold: () => {
      console.log("held");
    },
  }),
  databaseUrl,
  nats: { servers: [natsUrl] },
  log: pino({ level: "silent" }),
  limits: { leaseMs: 600 },
  sweepMs: 100,
});
console.log("ready");
