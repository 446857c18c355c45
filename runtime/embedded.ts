import { setFlagsFromString } from "node:v8";
import type { AgentInput, AgentOutput, AnyAgent } from "../agents/define-agent.ts";
import type { SignalboxConfig } from "./config.ts";
import type { ErrorRecord } from "./core/errors.ts";
import type { Actor } from "./core/people.ts";

/** What {@link startWorker} takes. */
export interface EmbeddedWorkerOptions {
  readonly config: SignalboxConfig;
  /** A PostgreSQL server with this release's tables. Default: `DATABASE_URL`, else the private one of the data folder. */
  readonly databaseUrl?: string;
  /** A NATS server with JetStream. Default: `NATS_URL`, else the private one of the data folder. */
  readonly natsUrl?: string;
  /** The data folder of private servers. Default: `SIGNALBOX_DATA`, else `.signalbox`. */
  readonly data?: string;
  /** How many runs may be under way at once. Default 20. */
  readonly slots?: number;
  /** How long what is under way may take after `close()`. Default 10,000 ms. */
  readonly drainMs?: number;
  /** In whose name runs start: a service account's name, which rules and the record show. Default `service`. */
  readonly startedBy?: string;
  /**
   * Whether this process also takes up runs that may have crashed the worker which had them. `elsewhere`: they wait for
   * a `signalbox worker` or `signalbox dev`, which gives each a process of its own. Default `here`.
   */
  readonly suspects?: "here" | "elsewhere";
  /** What is logged to standard error, as JSON lines. Default: `LOG_LEVEL`, else `warn`. */
  readonly logLevel?: "debug" | "info" | "warn" | "error" | "silent";
}

export interface StartRunOptions {
  /**
   * Starting again with the same agent, key and input gives the same run, also from another process and after a crash.
   * With another input it is an error.
   */
  readonly key?: string;
  /** When the run has to have ended, at the latest (epoch ms). */
  readonly deadline?: number;
}

/** How a run ended. A failed run is a result like the others: what it did stands in the record. */
export type RunResult<Output = unknown> =
  | {
      readonly run: string;
      readonly status: "finished";
      readonly output: Output;
      readonly error?: undefined;
    }
  | { readonly run: string; readonly status: "failed"; readonly error: ErrorRecord; readonly output?: undefined }
  | {
      readonly run: string;
      readonly status: "cancelled";
      readonly by: Actor;
      readonly reason: string;
      readonly output?: undefined;
      readonly error?: undefined;
    };

/** A worker inside a service. Make one with {@link startWorker}; closing it drains it. */
export interface EmbeddedWorker extends AsyncDisposable {
  /**
   * Starts a run and waits for its end. Resolves once the end is on disk, whichever process has brought the run there
   * and however long it was parked: with a person's decision in between, that may be days.
   *
   * A run without a key is recorded together with what it does first. If this process dies before, there has been none;
   * nothing that changes anything outside happens before it is on disk.
   *
   * @throws what {@link EmbeddedWorker.start} throws; and `WORKER_STOPPING` where the worker is closed before the end
   *   has come: what is on record goes on.
   */
  run<A extends AnyAgent>(
    agent: A,
    input: AgentInput<A>,
    options?: StartRunOptions,
  ): Promise<RunResult<AgentOutput<A>>>;
  run(agent: string, input: unknown, options?: StartRunOptions): Promise<RunResult>;
  /**
   * Starts a run. Resolves once the start is on disk: from then on it goes on, here or on another worker.
   *
   * @throws `NOT_FOUND` if there is no such agent, `INVALID_INPUT` if it does not take the input, `START_KEY_USED` if the
   *   key has started a run with another input; `RUN_NOT_RECORDED` and `DATABASE_UNAVAILABLE` if the database is away,
   *   `WORKER_STOPPING` if the worker is closed.
   */
  start<A extends AnyAgent>(agent: A, input: AgentInput<A>, options?: StartRunOptions): Promise<StartedRun>;
  start(agent: string, input: unknown, options?: StartRunOptions): Promise<StartedRun>;
  /** Takes nothing more, and waits for what is under way. */
  close(): Promise<void>;
}

export interface StartedRun {
  readonly run: string;
  /** False if the key had started it before. */
  readonly created: boolean;
}

/**
 * Runs a worker inside this process. It takes runs as `signalbox worker` does, and those that this process starts
 * itself cost the database far less: they need no message to be found, and no statement to be created or claimed.
 *
 * @throws `RULES_INVALID`, `INVALID_GRAPH` and `UNSUPPORTED_GRAPH` if the project cannot run, `SCHEMA_MISMATCH` if the
 *   database has not been migrated, and what is wrong with the servers.
 */
export async function startWorker(options: EmbeddedWorkerOptions): Promise<EmbeddedWorker> {
  // Before anything of Cedar is compiled: Node 20 aborts in code that V8 has optimised around its wasm.
  setFlagsFromString("--no-turbo-inline-js-wasm-calls");
  // Only when it is needed: it loads LangGraph, Cedar and the drivers, which a definition of an agent does without.
  const { startEmbeddedWorker } = await import("./platform/embedded-worker.ts");
  return startEmbeddedWorker(options);
}
