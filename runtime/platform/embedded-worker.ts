import { resolve } from "node:path";
import pino from "pino";
import type { RunEnd } from "../core/events.ts";
import type { EmbeddedWorker, EmbeddedWorkerOptions, RunResult, StartRunOptions } from "../embedded.ts";
import { decode } from "../engine/codec.ts";
import { openConnection } from "../journal/database.ts";
import { checkMigrated, migrate } from "../journal/migrate.ts";
import { findRunningStack, startStack, type StackAccess } from "../stack/index.ts";
import { Closers } from "./closers.ts";
import type { StartOptions } from "./start-run.ts";
import { startWorker } from "./worker-process.ts";

/** See `startWorker` of the public surface. */
export async function startEmbeddedWorker(options: EmbeddedWorkerOptions): Promise<EmbeddedWorker> {
  const closers = new Closers();
  try {
    return await start(options, closers);
  } catch (error) {
    await closers.close().catch(() => undefined);
    throw error;
  }
}

async function start(options: EmbeddedWorkerOptions, closers: Closers): Promise<EmbeddedWorker> {
  const { config, slots, drainMs, startedBy = "service", suspects = "here" } = options;
  const level = options.logLevel ?? process.env["LOG_LEVEL"] ?? "warn";
  const log = pino({ level }, pino.destination({ dest: 2, sync: true }));
  const stack = await stackFor(options, closers);
  const worker = await startWorker({
    config,
    databaseUrl: stack.databaseUrl,
    nats: stack.nats.worker,
    log,
    ...(slots === undefined ? {} : { slots }),
    ...(drainMs === undefined ? {} : { drainMs }),
    take: suspects === "here" ? "all" : "sound",
  });
  closers.add(() => worker.close());
  const close = (): Promise<void> => closers.close();
  const asked = (agent: string | { readonly name: string }, input: unknown, given?: StartRunOptions): StartOptions => ({
    agent: typeof agent === "string" ? agent : agent.name,
    input,
    startedBy: { kind: "service", id: startedBy },
    key: given?.key,
    deadline: given?.deadline,
  });
  return {
    start: (agent: string | { readonly name: string }, input: unknown, given?: StartRunOptions) =>
      worker.runs.start(asked(agent, input, given)),
    async run(agent: string | { readonly name: string }, input: unknown, given?: StartRunOptions) {
      const { run, end } = await worker.runs.run(asked(agent, input, given));
      // The types of what an agent takes and gives are those of its schemas, which the run has been checked with.
      return resultOf(run, end) as RunResult<never>;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Named servers, or those that run on the data folder already, which have to have this release's tables; else private
 * ones that stop with the worker.
 */
async function stackFor(options: EmbeddedWorkerOptions, closers: Closers): Promise<StackAccess> {
  const dataDir = resolve(options.data ?? process.env["SIGNALBOX_DATA"] ?? ".signalbox");
  const databaseUrl = options.databaseUrl ?? process.env["DATABASE_URL"];
  const natsUrl = options.natsUrl ?? process.env["NATS_URL"];
  const named = Boolean(databaseUrl && natsUrl);
  const running = named ? undefined : await findRunningStack(dataDir);
  const own = running ? null : await startStack({ dataDir, open: openConnection, databaseUrl, natsUrl });
  if (own) closers.add(() => own.close());
  const stack = running ?? own;
  if (!stack) throw new Error("There is neither a running stack nor an own one.");
  if (own && !named) await migrate(stack.databaseUrl);
  else await checkMigrated(stack.databaseUrl);
  return stack;
}

function resultOf(run: string, end: RunEnd): RunResult {
  switch (end.type) {
    case "run_finished":
      return { run, status: "finished", output: decode(end.data.output) };
    case "run_failed":
      return { run, status: "failed", error: end.data.error };
    case "run_cancelled":
      return { run, status: "cancelled", by: end.data.by, reason: end.data.reason };
  }
}
