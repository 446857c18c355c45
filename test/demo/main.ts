/**
 * `npm run demo`: proves the main job without a person. A private stack, every claim of the feed, scripted
 * operators on the HTTP API, workers killed in the middle of payouts, and then: is the record whole, does it
 * replay, and does it agree with the bank? Ends with a non-zero code if anything is not as it must be.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pino from "pino";
import config from "../../signalbox.config.ts";
import { claimsPools, openLedger } from "../../agents/claims/index.ts";
import { verify } from "../../runtime/audit/verify.ts";
import { ENDED_STATUSES } from "../../runtime/core/events.ts";
import { openDatabase } from "../../runtime/journal/database.ts";
import { startDev } from "../../runtime/platform/dev.ts";
import { removeDataFolder } from "../../runtime/stack/index.ts";
import { compareWithLedger, examine } from "./checks.ts";
import { printExamples } from "./examples.ts";
import { startOperators } from "./operators.ts";
import { startSaboteur } from "./saboteur.ts";

const json = process.argv.includes("--json");
const TIMEOUT_MS = 110_000;
/** Slow enough that a worker can be caught in the act. */
const BANK_DELAY_MS = 150;
const LEASE_MS = 3_000;

const startedAt = Date.now();
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const seconds = (): string => `${((Date.now() - startedAt) / 1000).toFixed(1).padStart(5)} s`;
const step = (line: string): void => {
  say(`${seconds()}  ${line}`);
};

const dataDir = await mkdtemp(join(tmpdir(), "signalbox-demo-"));
process.env["SIGNALBOX_DATA"] = dataDir;
const ledgerPath = join(dataDir, "claims", "ledger.jsonl");
let failed: boolean;
try {
  await using dev = await startDev({
    config,
    configPath: fileURLToPath(new URL("../../signalbox.config.ts", import.meta.url)),
    // As it is shipped: it starts in a third of the time, and is what is to be proven.
    main: fileURLToPath(new URL("../../dist/runtime/cli/main.js", import.meta.url)),
    nodeArgs: [],
    dataDir,
    port: 0,
    workers: 3,
    workerArgs: ["--lease-ms", String(LEASE_MS)],
    workerEnv: { SIGNALBOX_LEDGER: ledgerPath, SIGNALBOX_LEDGER_DELAY_MS: String(BANK_DELAY_MS) },
    log: pino({ level: "error" }, pino.destination(2)),
    report: step,
  });
  const database = openDatabase({ url: dev.stack.databaseUrl });
  await using _database = { [Symbol.asyncDispose]: () => database.end() };
  const ledger = openLedger({ path: ledgerPath });
  step(`Ready: ${String(dev.workers.length)} workers, console at ${dev.console.url}`);

  await using _operators = await startOperators(dev.console, Object.keys(claimsPools));
  await using saboteur = startSaboteur({ database, ledger, workers: dev.workers });
  const { sessions } = await dev.startSamples();
  step(
    `Started ${String(sessions.length)} sessions; two operators decide, and workers are killed in the middle of payouts`,
  );
  await allEnded(sessions);
  step("All sessions have ended");

  const views = await Promise.all(sessions.map((session) => dev.console.services.sessionView(session)));
  const report = await verify(database, null);
  const findings = await examine(views);
  const payments = await ledger.payments();
  const bank = compareWithLedger(views, payments);
  step(
    `Verified ${String(report.events)} events, replayed ${String(findings.replayed)} sessions, compared with ${String(payments.length)} lines of the bank`,
  );
  printExamples(views, saboteur.kills, say);

  const result = {
    sessions: views.length,
    runs: findings.runs,
    events: findings.events,
    toolCalls: findings.toolCalls,
    denied: findings.denied,
    approvalsRequested: findings.approvalsRequested,
    approved: findings.approved,
    rejected: findings.rejected,
    inDoubt: findings.inDoubt,
    workersKilled: saboteur.kills.length,
    payments: payments.length,
    duplicatePayments: bank.duplicates,
    lost: bank.lost + bank.unrecorded,
    outcomesAsExpected: findings.outcomesAsExpected,
    auditVerified: report.verified && report.events === findings.events,
    replayed: findings.replayed,
    replayMismatches: findings.mismatches.length,
    wallMs: Date.now() - startedAt,
  };
  const faults = [
    ...findings.unexpected,
    ...findings.mismatches,
    ...(report.firstBad
      ? [`audit: run ${report.firstBad.run}, event ${String(report.firstBad.seq)}: ${report.firstBad.problem}`]
      : []),
    ...(result.duplicatePayments > 0 ? [`${String(result.duplicatePayments)} payments were made twice`] : []),
    ...(result.lost > 0 ? [`${String(result.lost)} payments differ between record and bank`] : []),
    ...(saboteur.kills.length === 0 ? ["no worker could be caught in the middle of a payout"] : []),
    ...(result.auditVerified ? [] : ["the audit chain is not verified"]),
    ...(findings.inDoubt > 0
      ? [`${String(findings.inDoubt)} payouts are in doubt although the bank can be asked`]
      : []),
  ];
  failed = faults.length > 0;
  say("");
  for (const fault of faults) say(`WRONG: ${fault}`);
  say(
    failed
      ? "The demo found faults."
      : `All ${String(views.length)} sessions ended as expected: ${String(result.payments)} payments, none twice, none lost; ${String(result.approvalsRequested)} calls were held for people and ${String(result.denied)} denied by rule; ${String(saboteur.kills.length)} workers were killed with SIGKILL between a payout's intent and its end.`,
  );
  if (json) say(JSON.stringify(result));

  async function allEnded(wanted: readonly string[]): Promise<void> {
    for (;;) {
      const summaries = await dev.console.services.sessionSummaries(wanted);
      const open = summaries.filter((summary) => !ENDED_STATUSES.includes(summary.status));
      if (open.length === 0) return;
      if (Date.now() - startedAt > TIMEOUT_MS) {
        throw new Error(
          `After ${String(TIMEOUT_MS / 1000)} s these sessions have not ended: ${open.map(({ session, status, waits }) => `${session} ${status} ${JSON.stringify(waits)}`).join("; ")}. Logs are in ${dataDir}/logs.`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
} catch (error) {
  say(`The demo stopped: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
// The servers' data may be elsewhere: where the user that they run as can read it.
await removeDataFolder(dataDir);
await rm(dataDir, { recursive: true, force: true });
process.exit(failed ? 1 : 0);
