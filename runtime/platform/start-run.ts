import { decode, encode } from "../engine/codec.ts";
import { canonicalJson } from "../core/canonical.ts";
import { timeOrderedIds } from "../core/ids.ts";
import { InvalidInputError, NotFoundError } from "../core/errors.ts";
import type { Journal, NewRun } from "../core/journal.ts";
import type { Actor } from "../core/people.ts";
import type { Bus } from "../core/bus.ts";
import type { SignalboxConfig } from "../config.ts";
import { StartKeyUsedError } from "./errors.ts";

export interface StartOptions {
  readonly agent: string;
  readonly input: unknown;
  readonly startedBy: Actor;
  /** Starting again with the same agent, key and input gives the same run. */
  readonly key?: string | undefined;
  /** When the run has to have ended, at the latest (epoch ms). */
  readonly deadline?: number | undefined;
}

export interface StartedRun {
  readonly run: string;
  /** False if the key had started it before. */
  readonly created: boolean;
}

/**
 * Starts a run, and with it a session.
 *
 * @returns the run's id, and whether it is new.
 * @throws what {@link newRun} and {@link startedBefore} throw.
 */
export async function startRun(
  context: {
    readonly journal: Journal;
    readonly bus: Pick<Bus, "wake">;
    readonly config: SignalboxConfig;
  },
  options: StartOptions,
): Promise<StartedRun> {
  const { journal, bus, config } = context;
  const asked = newRun(config, options);
  const created = (await journal.create(asked)) !== null;
  const run = created ? asked.run : await startedBefore(journal, asked);
  bus.wake(asked.agent, [run]);
  return { run, created };
}

/**
 * The run that is to be started, with an id of its own.
 *
 * @throws `NotFoundError` if there is no such agent, `InvalidInputError` if the input does not fit its schema or
 *   the key cannot be stored.
 */
export function newRun(config: SignalboxConfig, options: StartOptions): NewRun {
  const agent = config.agents.find((candidate) => candidate.name === options.agent);
  if (!agent) {
    const names = config.agents.map((candidate) => candidate.name).join(", ");
    throw new NotFoundError(`There is no agent "${options.agent}". The configuration has: ${names}.`, {
      details: { agent: options.agent },
    });
  }
  const parsed = agent.input?.safeParse(options.input);
  if (parsed?.success === false) {
    const problems = parsed.error.issues
      .slice(0, 5)
      .map((issue) => `${issue.path.map(String).join(".") || "the input"}: ${issue.message}`);
    throw new InvalidInputError(
      `The input does not fit what ${agent.name} takes: ${problems.join("; ")}. No run was started.`,
      { details: { agent: agent.name, problems } },
    );
  }
  if (options.key !== undefined && (options.key.includes("\u0000") || !options.key.isWellFormed())) {
    throw new InvalidInputError(
      "The start key holds a character that is none: U+0000, or half of a surrogate pair. Use another key. No run was started.",
      { details: { agent: agent.name } },
    );
  }
  const run = timeOrderedIds.next();
  return {
    run,
    session: run,
    parent: null,
    agent: agent.name,
    version: null,
    key: options.key ?? null,
    startedBy: options.startedBy,
    depth: 0,
    input: encode(parsed ? parsed.data : options.input),
    deadline: options.deadline ?? null,
    timeoutMs: agent.timeoutMs,
  };
}

/**
 * The run that exists where this one could not be created, because of its key.
 *
 * @throws `StartKeyUsedError` if the key has started a run with another input.
 */
export async function startedBefore(journal: Pick<Journal, "startedWith">, asked: NewRun): Promise<string> {
  const { agent, key, input } = asked;
  const before = key === null ? null : await journal.startedWith(agent, key);
  if (!before) return asked.run;
  if (canonicalJson(before.input) === canonicalJson(input)) return before.run;
  throw new StartKeyUsedError(
    `The key "${String(key)}" has started the session ${before.run} of ${agent} with another input. Nothing was started: use another key, or the same input.`,
    { details: { agent, key, session: before.run } },
  );
}

/**
 * Starts a new session with the agent and the recorded input of an earlier run. Doing so again gives the same session.
 *
 * @returns the new session.
 * @throws `NotFoundError` if there is no such agent any more, `InvalidInputError` if it does not take that input now.
 */
export async function startAgain(
  context: Parameters<typeof startRun>[0],
  { agent, run }: { readonly agent: string; readonly run: string },
  startedBy: Actor,
): Promise<string> {
  const [first] = await context.journal.read(run);
  if (first?.type !== "run_started") throw new NotFoundError(`The run ${run} has no record.`, { details: { run } });
  return (await startRun(context, { agent, input: decode(first.data.input), startedBy, key: againKey(run) })).run;
}

/** The session that an earlier run was started again as, or null. */
export async function startedAgain(
  journal: Pick<Journal, "startedWith">,
  { agent, run }: { readonly agent: string; readonly run: string },
): Promise<string | null> {
  return (await journal.startedWith(agent, againKey(run)))?.run ?? null;
}

function againKey(run: string): string {
  return `again:${run}`;
}
