import { decode, encode } from "../engine/codec.ts";
import { canonicalJson } from "../core/canonical.ts";
import { randomIds } from "../core/ids.ts";
import { InvalidInputError, NotFoundError } from "../core/errors.ts";
import type { Journal } from "../core/journal.ts";
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

/**
 * Starts a run, and with it a session.
 *
 * @returns the run's id, and whether it is new.
 * @throws `NotFoundError` if there is no such agent, `InvalidInputError` if the input does not fit its schema or
 *   the key cannot be stored,
 *   `StartKeyUsedError` if the key has started a run with another input.
 */
export async function startRun(
  context: {
    readonly journal: Journal;
    readonly bus: Pick<Bus, "wake">;
    readonly config: SignalboxConfig;
  },
  options: StartOptions,
): Promise<{ readonly run: string; readonly created: boolean }> {
  const agent = context.config.agents.find((candidate) => candidate.name === options.agent);
  if (!agent) {
    const names = context.config.agents.map((candidate) => candidate.name).join(", ");
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
  const run = randomIds.next();
  const key = options.key ?? null;
  const input = encode(parsed ? parsed.data : options.input);
  const { journal, bus } = context;
  const created = await journal.create({
    run,
    session: run,
    parent: null,
    agent: agent.name,
    version: null,
    key,
    startedBy: options.startedBy,
    depth: 0,
    input,
    deadline: options.deadline ?? null,
    timeoutMs: agent.timeoutMs,
  });
  const before = created === null && key !== null ? await journal.startedWith(agent.name, key) : null;
  if (before && canonicalJson(before.input) !== canonicalJson(input)) {
    throw new StartKeyUsedError(
      `The key "${String(key)}" has started the session ${before.run} of ${agent.name} with another input. Nothing was started: use another key, or the same input.`,
      { details: { agent: agent.name, key, session: before.run } },
    );
  }
  bus.wake(agent.name, [before?.run ?? run]);
  return { run: before?.run ?? run, created: before === null };
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
