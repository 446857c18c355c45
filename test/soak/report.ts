import type { ViolationKind } from "../faults/case.ts";
import { judgeAll } from "./allowances.ts";
import { median, type Judgement } from "./flat.ts";
import type { Moment, Soaked } from "./soak.ts";

const MB = 2 ** 20;
const SHOWN_VIOLATIONS = 30;

/** One line of how it stands. */
export function sampleLine({ sample, warm, busy, runs, harms }: Moment): string {
  const value = (series: string, digits = 0, unit = 1): string => {
    const seen = sample.values.get(series);
    return seen === undefined ? "?" : (seen / unit).toFixed(digits);
  };
  const megabytes = (series: string): string => value(series, 1, MB);
  const sum = (prefix: string): number =>
    [...sample.values].filter(([name]) => name.startsWith(prefix)).reduce((all, [, count]) => all + count, 0);
  const parts = [
    `${(sample.atMs / 1_000).toFixed(0).padStart(5)} s`,
    warm ? "" : "warm-up",
    `${String(runs)} runs started`,
    `${value("backlog/runs that could go on")} go on`,
    `${value("backlog/runs that wait")} wait`,
    `${String(harms)} harms`,
    `cpu ${(100 * busy).toFixed(0)} %`,
    `heap ${megabytes("memory/worker/heapUsed")} + ${megabytes("memory/console/heapUsed")} MB`,
    `rss ${megabytes("memory/worker/rss")} MB`,
    `${String(sum("connections/postgres/"))} + ${value("connections/nats/connections")} connections`,
    `${value("connections/nats/subscriptions")} subscriptions`,
    `${value("tables/runs/bytes per row")} B a run`,
    `${value("tables/events/bytes per row")} B an event`,
  ];
  return parts.filter((part) => part !== "").join("  ");
}

interface Report {
  /** For people. */
  readonly lines: readonly string[];
  /** For programs. */
  readonly summary: Readonly<Record<string, unknown>>;
  readonly good: boolean;
}

/** What came of it. */
export function report(soaked: Soaked): Report {
  const { violations, aborts, harms } = soaked;
  const judged = judgeAll(soaked.samples);
  // Too few samples were taken for any judgement.
  const flat = judged.size > 0 && [...judged.values()].every((one) => one.flat);
  const count = (wanted: ViolationKind): number => violations.filter(({ kind }) => kind === wanted).length;
  const counts = {
    lost: count("lost"),
    duplicated: count("duplicated"),
    stuck: count("stuck"),
    unverified: count("unverified"),
    aborts: aborts.length,
  };
  const good = flat && Object.values(counts).every((bad) => bad === 0);
  return {
    lines: [
      ...[...judged].map(([name, one]) => judgedLine(name, one)),
      ...violations.slice(0, SHOWN_VIOLATIONS).map(({ kind, what }) => `${kind}: ${what}`),
      ...aborts.map(({ name, how }) => `${name} ended otherwise than it was to: ${how}`),
      `harms: ${[...harms].map(([harm, times]) => `${harm} ${String(times)}`).join(", ")}`,
      `people: ${JSON.stringify(soaked.people)}, pages: ${JSON.stringify(soaked.watched)}`,
    ],
    summary: {
      runs: soaked.runs,
      steps: soaked.steps,
      heldBack: soaked.heldBack,
      kills: harms.get("worker killed") ?? 0,
      harms: [...harms.values()].reduce((sum, times) => sum + times, 0),
      busyPercent: Math.round(100 * median(soaked.busy)),
      ...counts,
      memory: group(judged, "memory/"),
      connections: group(judged, "connections/"),
      tables: group(judged, "tables/"),
      backlog: group(judged, "backlog/"),
      flat,
    },
    good,
  };
}

function judgedLine(name: string, { level, growth, proven, allowed, flat }: Judgement): string {
  const digits = Math.abs(level) < 100 ? 1 : 0;
  const [at, grew, sure, may] = [level, growth, proven, allowed].map((value) => value.toFixed(digits));
  return `${flat ? "flat " : "GROWS"} ${name}: ${String(at)}, grew ${String(grew)} (surely ${String(sure)}, allowed ${String(may)})`;
}

/** Of each series its level, its growth, and how much of that is certain. */
function group(judged: ReadonlyMap<string, Judgement>, prefix: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    [...judged].flatMap(([name, { level, growth, proven, flat }]) => {
      const figures = { level: short(level), growth: short(growth), proven: short(proven), flat };
      return name.startsWith(prefix) ? [[name.slice(prefix.length), figures]] : [];
    }),
  );
}

function short(value: number): number {
  return Number(value.toPrecision(4));
}
