import { randomUUID } from "node:crypto";
import { pathToFileURL } from "node:url";
import { canonicalJson } from "../../../runtime/core/canonical.ts";
import { eventHash, GENESIS, payloadHash } from "../../../runtime/core/chain.ts";
import type { ProposedCall } from "../../../runtime/core/judge.ts";
import { openConnection, type Connection } from "../../../runtime/journal/database.ts";
import { ruleSetSource } from "../../../runtime/config.ts";
import { compileRuleSet } from "../../../runtime/rules/index.ts";
import { benchProject, rulesText } from "../../support/bench-project.ts";
import { contestant, signalbox } from "../engine/contestants.ts";
import { Metered } from "../engine/metered.ts";
import type { BenchServers } from "../engine/servers.ts";
import { median } from "../engine/statistics.ts";
import { STEPS } from "../engine/work.ts";
import type { Figures } from "../page/figures.ts";
import { inTurns } from "./sweep.ts";

const stepsPerRun = STEPS.length;
const TIMES = 5_000;
const COMMITS = 300;

/** What a step cannot cost less than: what LangGraph itself takes, a verdict, a hash, and a commit that runs share. */
export async function floor(
  servers: BenchServers,
  { rounds, ms }: { readonly rounds: number; readonly ms: number },
): Promise<Figures<"floor">> {
  await using langgraph = await Metered.start(servers, contestant("langgraph"), { stepsPerRun });
  await using memorySaver = await Metered.start(servers, contestant("memorySaver"), { stepsPerRun });
  await using ours = await Metered.start(servers, signalbox("floor", ["reads"]), { stepsPerRun });
  const costs = await inTurns(
    Object.entries({ langgraph, memorySaver, signalbox: ours }).map(([series, metered]) => ({
      series,
      x: 20,
      metered,
      measure: () => metered.cost({ concurrency: 20, ms }),
    })),
    rounds,
  );
  const database = await openConnection({ url: ours.databaseUrl });
  const connections = await connectionsOf(database);
  await ours.check();
  const costOf = (name: string) => {
    const found = costs.find(({ series }) => series === name);
    if (!found) throw new Error(`${name} was not measured.`);
    return found.cost;
  };
  try {
    return {
      langgraph: costOf("langgraph"),
      memorySaver: costOf("memorySaver"),
      signalbox: costOf("signalbox"),
      verdictUs: await verdictUs(),
      hashUs: await hashUs(database),
      eventsPerStep: await eventsPerStep(database),
      commitMs: await commitMs(database),
      connections,
    };
  } finally {
    await database.end();
  }
}

/** How many connections the worker has to its database. */
async function connectionsOf(database: Connection): Promise<number> {
  const [row] = await database.query<{ open: number }>(
    `select count(*)::int as open from pg_stat_activity
     where datname = current_database() and application_name in ('signalbox-worker', 'signalbox-journal')`,
  );
  return row?.open ?? NaN;
}

/** One verdict, by the rules of the benchmark: ten are about the tool. */
async function verdictUs(): Promise<number> {
  const config = benchProject(["reads"], pathToFileURL("/none"));
  const source = await ruleSetSource(config);
  const rules = { path: "rules.cedar", text: rulesText() };
  const judge = compileRuleSet({ ...source, agents: source.agents.map((agent) => ({ ...agent, rules })) });
  const run = {
    id: randomUUID(),
    session: randomUUID(),
    depth: 0,
    startedBy: { kind: "service", id: "bench" },
  } as const;
  return medianUs((i) => {
    const call: ProposedCall = {
      agent: "reads",
      run,
      kind: "tool",
      action: "desk.look",
      resource: "desk.look",
      input: { step: "gather", question: `${run.id}-${String(i)}` },
      approval: { satisfied: false },
    };
    const { decision, reason } = judge.judge(call);
    if (decision !== "allow") throw new Error(`The call was not allowed: ${reason}`);
  });
}

/** The canonical form of a recorded call, with the hashes of its payload and of its event. */
async function hashUs(database: Connection): Promise<number> {
  const [row] = await database.query<{ data: string }>(
    "select data from events where type = 'effect_recorded' limit 1",
  );
  if (!row) throw new Error("No call is on record.");
  const data: unknown = JSON.parse(row.data);
  const event = { run: randomUUID(), seq: 2, type: "effect_recorded", v: 1, at: 1_700_000_000_000 };
  let prev = GENESIS;
  return medianUs((i) => {
    prev = eventHash({ ...event, seq: i }, prev, payloadHash(canonicalJson(data), null));
  });
}

function medianUs(work: (i: number) => void): number {
  const times: number[] = [];
  for (let i = 0; i < 2 * TIMES; i++) {
    const started = process.hrtime.bigint();
    work(i);
    // The first half warms up.
    if (i >= TIMES) times.push(Number(process.hrtime.bigint() - started) / 1_000);
  }
  return Number(median(times).toPrecision(3));
}

async function eventsPerStep(database: Connection): Promise<number> {
  const [row] = await database.query<{ each: number }>(
    "select count(*)::float8 / (select count(*) from runs) as each from events",
  );
  return Number(((row?.each ?? NaN) / stepsPerRun).toPrecision(3));
}

/** One row, alone on the machine, until it is on disk. */
async function commitMs(database: Connection): Promise<number> {
  await database.query("create table bench_commits (data text)");
  const times: number[] = [];
  for (let i = 0; i < COMMITS; i++) {
    const startedMs = performance.now();
    await database.query("insert into bench_commits values ($1)", ["x".repeat(500)], "bench_commit");
    times.push(performance.now() - startedMs);
  }
  return Number(median(times).toPrecision(3));
}
