/**
 * Where the time of a step goes: `npm run bench:profile -- [--concurrency N] [--rounds N] [--seconds N] [--json]
 * [--chart FILE] [--write] [--keep FOLDER]`. Signalbox and LangGraph with its MemorySaver take turns, each with V8's CPU
 * profiler and without; every sample counts as the part of a step whose code ran, natives and WebAssembly as who called
 * them, and waiting as nobody. `--keep` leaves the profiles, which Chrome's developer tools open. The last line is
 * `{[contestant]: {cost, owners: {[owner]: msPerStep}}}`; `cost` is that of `bench:engine`. `--write` puts it into
 * docs/performance.md.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { drawTo } from "./charts/chart.ts";
import { installBenchPackages } from "./engine/install.ts";
import { startBenchServers } from "./engine/servers.ts";
import { measuredNow } from "./page/measured.ts";
import { writePage } from "./page/page.ts";
import { profileChart } from "./page/profile.ts";
import { profiles } from "./profile/measure.ts";

const { values } = parseArgs({
  options: {
    concurrency: { type: "string", default: "20" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
    chart: { type: "string" },
    write: { type: "boolean", default: false },
    keep: { type: "string" },
  },
});

await installBenchPackages();
const folder = values.keep ?? (await mkdtemp(join(tmpdir(), "signalbox-bench-profiles-")));
await mkdir(folder, { recursive: true });
try {
  await using servers = await startBenchServers();
  const measured = await profiles(servers, ["signalbox", "memorySaver"], {
    rounds: Number(values.rounds),
    ms: Number(values.seconds) * 1_000,
    concurrency: Number(values.concurrency),
    folder,
  });
  if (values.chart !== undefined) await drawTo(values.chart, profileChart(measured));
  if (values.write) await writePage({ profile: measuredNow("bench:profile", servers.settings, measured) });
  if (!values.json) {
    for (const [name, { owners }] of Object.entries(measured)) {
      console.log(name);
      console.table(Object.fromEntries(Object.entries(owners).toSorted((a, b) => b[1] - a[1])));
    }
  }
  console.log(JSON.stringify(measured));
} finally {
  if (values.keep === undefined) await rm(folder, { recursive: true });
}
