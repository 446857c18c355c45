/**
 * How long the console's server takes for a page of every list, filter and search of its HTTP API, and for the first
 * frames of its socket: `npm run bench:queries -- [--events N] [--sessions N] [--times N] [--json]
 * [--write]`.
 *
 * A private Postgres is filled with a history: by default a million events in twenty thousand sessions of several
 * agents. The server runs in a process of its own. Each list is asked for with each of its filters, and with each pair
 * of them: for the first page, one in the middle and the last. The last line is
 * `{events, sessions, worst: {route, p50Ms, p99Ms}, routes: {[route]: {p50Ms, p99Ms, rows}}, ones, serverMb}`; `ones` are
 * routes that give one thing, and `worst` is of the lists and frames. `--write` puts it into docs/performance.md.
 */
import { parseArgs } from "node:util";
import { startBenchServers } from "./engine/servers.ts";
import { fillHistory } from "./history/fill.ts";
import { listQueries } from "./queries/lists.ts";
import { measuredNow } from "./page/measured.ts";
import { writePage } from "./page/page.ts";
import { measure, type Measured, type Timings } from "./queries/measure.ts";

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "1000000" },
    sessions: { type: "string", default: "20000" },
    /** How often each page is asked for: with fewer than a hundred the 99th percentile is the slowest. */
    times: { type: "string", default: "200" },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

// Before anything is filled: a route may be missing.
const queries = listQueries();
const size = { events: Number(values.events), sessions: Number(values.sessions) };
await using servers = await startBenchServers();
const databaseUrl = await servers.database("history", "migrated");
process.stderr.write(`Filling ${values.events} events in ${values.sessions} sessions, then asking ...\n`);
await fillHistory(databaseUrl, size);
const measured = await measure({ databaseUrl, nats: servers.nats.console }, queries, Number(values.times));
const { routes, ones, serverMb } = measured;
const [route, worst] = Object.entries(routes).reduce((one, other) => (other[1].p99Ms > one[1].p99Ms ? other : one));
const report = { ...size, worst: { route, p50Ms: worst.p50Ms, p99Ms: worst.p99Ms }, routes, ones, serverMb };
if (values.write) {
  const lists = { ...size, routes: Object.keys(routes).length, worst: report.worst, serverMb };
  await writePage({ lists: measuredNow("bench:queries", servers.settings, lists) });
}
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : tableOf(measured));

function tableOf({ routes, ones, serverMb }: Measured): string {
  const line = (...cells: readonly string[]): string =>
    cells.map((cell, i) => (i < 3 ? cell.padStart(9) : `  ${cell}`)).join("");
  const rows = (timings: Timings): string[] =>
    Object.entries(timings)
      .toSorted((a, b) => b[1].p99Ms - a[1].p99Ms)
      .map(([route, { p50Ms, p99Ms, rows: n }]) => line(p50Ms.toFixed(1), p99Ms.toFixed(1), String(n), route));
  const lines = [line("p50 ms", "p99 ms", "rows", "lists and first frames"), ...rows(routes)];
  lines.push("", line("", "", "", "one thing"), ...rows(ones), "", `The server has ${String(serverMb)} MB.`, "");
  return lines.join("\n");
}
