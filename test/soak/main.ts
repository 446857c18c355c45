/**
 * `npm run test:soak`: a deployment under a mixed load and steady harm, for minutes or hours, and whether anything in
 * it grows that ought not to. Nothing may be lost, doubled or stuck either, and no process may end by itself.
 *
 * Servers, workers and consoles of its own. The first third of the time is warm-up. One line a sample goes to standard
 * error, one line of JSON to standard output; the exit code is 1 if anything is wrong. `SOAK_LOG=warn` shows what the
 * processes say. `--leak 1` has a worker leak a megabyte a minute, to see that found.
 */
import { parseArgs } from "node:util";
import { Random } from "../faults/random.ts";
import { report, sampleLine } from "./report.ts";
import { soak } from "./soak.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    /** Decides what is started and what is done to it. */
    seed: { type: "string", default: "1" },
    /** Runs a second. The default leaves two cores some room. */
    rate: { type: "string", default: "12" },
    /** Workers that are killed now and then, beside one that never is. */
    mortals: { type: "string", default: "2" },
    /** People with a page of the console open. */
    watchers: { type: "string", default: "4" },
    /** Megabytes a minute that the worker that is never killed leaks. */
    leak: { type: "string", default: "0" },
    /** Nothing but the last line. */
    json: { type: "boolean", default: false },
  },
});
const minutes = Number(values.minutes);
if (!(minutes >= 1)) throw new Error("--minutes takes a number from 1 on: in less time nothing can be judged.");

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // The servers are children of nobody else.
  process.once(signal, () => {
    stop.abort();
  });
}

const soaked = await soak({
  minutes,
  random: new Random(Number(values.seed)),
  rate: Number(values.rate),
  mortals: Number(values.mortals),
  watchers: Number(values.watchers),
  leakMb: Number(values.leak),
  stop: stop.signal,
  say: (text) => {
    if (!values.json) console.error(text);
  },
  onSample: (moment) => {
    if (!values.json) console.error(sampleLine(moment));
  },
}).catch((error: unknown) => {
  // What is at its end, the servers included, may have failed for that alone.
  if (stop.signal.aborted) process.exit(130);
  throw error;
});
const { lines, summary, good } = report(soaked);
if (!values.json) for (const line of lines) console.error(line);
console.log(JSON.stringify({ minutes, seed: Number(values.seed), ...summary }));
// NATS's client may still try to reach a server that is gone.
process.exit(good ? 0 : 1);
