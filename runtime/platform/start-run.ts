import { encode } from "../engine/codec.ts";
import { agentVersion } from "../engine/compile-agent.ts";
import { derivedUuid, randomIds } from "../core/ids.ts";
import { InvalidInputError, NotFoundError } from "../core/errors.ts";
import type { Journal } from "../core/journal.ts";
import type { Actor } from "../core/people.ts";
import type { Bus } from "../core/bus.ts";
import type { SignalboxConfig } from "../config.ts";

export interface StartOptions {
  readonly agent: string;
  readonly input: unknown;
  readonly startedBy: Actor;
  /** Starting again with the same agent and key gives the same run. */
  readonly key?: string | undefined;
}

/**
 * Starts a run, and with it a session.
 *
 * @returns the run's id, and whether it is new.
 * @throws `NotFoundError` if there is no such agent, `InvalidInputError` if the input does not fit its schema.
 */
export async function startRun(
  context: {
    readonly journal: Journal;
    readonly bus: Pick<Bus, "wake">;
    readonly config: SignalboxConfig;
    /** The versions of agents that were asked for before: building a graph to find out takes a while. */
    readonly versions: Map<string, string>;
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
  const version = context.versions.get(agent.name) ?? agentVersion(agent);
  context.versions.set(agent.name, version);
  const run = options.key === undefined ? randomIds.next() : derivedUuid("run", agent.name, options.key);
  const created = await context.journal.create({
    run,
    session: run,
    parent: null,
    agent: agent.name,
    version,
    key: options.key ?? null,
    startedBy: options.startedBy,
    depth: 0,
    input: encode(parsed ? parsed.data : options.input),
  });
  context.bus.wake(agent.name, [run]);
  return { run, created: created !== null };
}
