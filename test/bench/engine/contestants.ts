import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import signalboxPackage from "../../../package.json" with { type: "json" };
import type { NatsAccess } from "../../../runtime/core/stack.ts";
import { WORKER_NODE_ARGS } from "../../../runtime/platform/worker-child.ts";
import { rulesText, type BenchAgent } from "../../support/bench-project.ts";
import { WATCHED_RULES } from "../../support/bench-watched-agents.ts";
import { checkRecord, type ExpectedCalls } from "./check-record.ts";
import { startRestate } from "./restate-server.ts";

/** What a contestant's processes are started with, for one round; disposed of when it is over. */
export interface Surroundings extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
}

export interface ContestantKind {
  readonly name: string;
  readonly program: URL;
  /** What Node is told; nothing by default. */
  readonly nodeArgs?: readonly string[];
  /** Which database it is given: none, an empty one, or one with Signalbox's tables. */
  readonly database: "none" | "empty" | "migrated";
  surroundings(servers: { readonly databaseUrl: string; readonly nats: Nats }): Promise<Surroundings>;
  /** Looks, after the measurements, at what is left of them. @throws if the runs did not do what was asked */
  check?(databaseUrl: string, calls: ExpectedCalls): Promise<void>;
}

interface Nats {
  readonly worker: NatsAccess;
  readonly console: NatsAccess;
}

/** What is otherwise than usual. */
interface SignalboxVariant {
  readonly rules?: string;
  readonly nodeArgs?: readonly string[];
}

const peer = (name: string): URL => new URL(`../peers/${name}.mjs`, import.meta.url);
const only = (env: Readonly<Record<string, string>>): Promise<Surroundings> =>
  Promise.resolve({ env, [Symbol.asyncDispose]: () => Promise.resolve() });

function langgraph(name: string, checkpointer: "none" | "memory" | "postgres"): ContestantKind {
  return {
    name,
    program: peer("langgraph"),
    database: checkpointer === "postgres" ? "empty" : "none",
    surroundings: ({ databaseUrl }) => only({ CHECKPOINTER: checkpointer, DATABASE_URL: databaseUrl }),
  };
}

function withDatabase(name: string): ContestantKind {
  return {
    name,
    program: peer(name),
    database: "empty",
    surroundings: ({ databaseUrl }) => only({ DATABASE_URL: databaseUrl }),
  };
}

/**
 * @param name that of its database, too
 * @param agents the first is the one whose runs the benchmark asks it for
 */
export function signalbox(
  name: string,
  agents: readonly BenchAgent[],
  { rules: text = rulesText(), nodeArgs = WORKER_NODE_ARGS }: SignalboxVariant = {},
): ContestantKind {
  return {
    name,
    program: new URL("../../support/bench-worker-process.ts", import.meta.url),
    nodeArgs,
    database: "migrated",
    check: checkRecord,
    async surroundings({ databaseUrl, nats }) {
      const folder = await mkdtemp(join(tmpdir(), "signalbox-bench-rules-"));
      const rules = join(folder, "rules.cedar");
      await writeFile(rules, agents.includes("held") ? text + WATCHED_RULES : text);
      return {
        env: {
          DATABASE_URL: databaseUrl,
          NATS_WORKER: JSON.stringify(nats.worker),
          NATS_CONSOLE: JSON.stringify(nats.console),
          BENCH_RULES: rules,
          BENCH_AGENTS: agents.join(","),
          SIGNALBOX_VERSION: signalboxPackage.version,
        },
        [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
      };
    },
  };
}

const restate: ContestantKind = {
  name: "restate",
  program: peer("restate"),
  database: "none",
  async surroundings() {
    const server = await startRestate();
    const env = { RESTATE_INGRESS: server.ingress, RESTATE_ADMIN: server.admin, RESTATE_LOGGING: "ERROR" };
    return { env, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  },
};

/** In the order in which they take their turns. */
export const CONTESTANTS: readonly ContestantKind[] = [
  langgraph("langgraph", "none"),
  langgraph("memorySaver", "memory"),
  langgraph("postgresSaver", "postgres"),
  withDatabase("dbos"),
  restate,
  withDatabase("mastra"),
  signalbox("signalbox", ["reads"]),
  signalbox("signalboxIrreversible", ["pays"]),
];

/** Signalbox with agents that somebody watches, beside the one that keeps it busy. */
export const WATCHED_SIGNALBOX: ContestantKind = signalbox("watched", ["reads", "held", "slow"]);
/** Signalbox with an agent that makes runs of as many supersteps as it is told. */
export const GROWING_SIGNALBOX: ContestantKind = signalbox("growing", ["grows"]);

export function contestant(name: string): ContestantKind {
  const found = CONTESTANTS.find((one) => one.name === name);
  if (!found) throw new Error(`There is no contestant "${name}".`);
  return found;
}
