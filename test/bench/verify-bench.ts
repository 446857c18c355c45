/**
 * How fast `signalbox audit verify` is: `npm run bench:verify -- [--events N] [--sessions N] [--json] [--write]`.
 *
 * A private Postgres is filled with the history that `bench:queries` asks for, and the built command verifies all of it
 * in a process of its own, three times. The last line is `{events, seconds, eventsPerS}` of the middle one, from the
 * start of the process to its end. `--write` puts it into docs/performance.md.
 */
import { execFile } from "node:child_process";
import { parseArgs, promisify } from "node:util";
import type { VerifyReport } from "../../runtime/core/protocol.ts";
import type { NatsAccess } from "../../runtime/core/stack.ts";
import { MAIN } from "../support/cli.ts";
import { urlOfNats } from "../support/servers.ts";
import { startBenchServers } from "./engine/servers.ts";
import { median } from "./engine/statistics.ts";
import { fillHistory } from "./history/fill.ts";
import { measuredNow } from "./page/measured.ts";
import { writePage } from "./page/page.ts";

const ROUNDS = 3;

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "1000000" },
    sessions: { type: "string", default: "20000" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

await using servers = await startBenchServers();
const databaseUrl = await servers.database("history", "migrated");
process.stderr.write(`Filling ${values.events} events in ${values.sessions} sessions ...\n`);
await fillHistory(databaseUrl, { events: Number(values.events), sessions: Number(values.sessions) });
const rounds: number[] = [];
let report: VerifyReport | undefined;
for (let round = 0; round < ROUNDS; round++) {
  const startedMs = performance.now();
  report = await verifyWithCommand(databaseUrl, servers.nats.console);
  rounds.push((performance.now() - startedMs) / 1_000);
}
const events = report?.events ?? 0;
const seconds = median(rounds);
const result = { events, seconds: Math.round(seconds * 100) / 100, eventsPerS: Math.round(events / seconds) };
if (values.write) await writePage({ verify: measuredNow("bench:verify", servers.settings, result) });
process.stdout.write(
  values.json
    ? `${JSON.stringify(result)}\n`
    : `${String(events)} events in ${seconds.toFixed(1)} s: ${String(result.eventsPerS)} a second (${rounds.map((each) => each.toFixed(1)).join(", ")} s)\n`,
);

/** @throws Error if the record is not what was recorded, or not all of it was looked at. */
async function verifyWithCommand(url: string, nats: NatsAccess): Promise<VerifyReport> {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, "--json", "audit", "verify"], {
    env: { PATH: process.env["PATH"], DATABASE_URL: url, NATS_URL: urlOfNats(nats) },
  });
  const said = JSON.parse(stdout) as VerifyReport;
  if (!said.verified || said.events !== Number(values.events)) throw new Error(`The record is not right: ${stdout}`);
  return said;
}
