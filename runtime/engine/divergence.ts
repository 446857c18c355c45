import type { Proposal } from "../core/events.ts";
import type { Attempt } from "./attempt.ts";
import { NonDeterminismError } from "./errors.ts";
import { recordableError } from "./recordable-error.ts";

/** How the code went another way than the record. */
export interface Divergence {
  /** The recorded call that was not asked for, by effect; undefined if it cannot be told which. */
  readonly recorded: string | undefined;
  /** The node that runs now. */
  readonly node: string;
  /** What the code asks for instead, or null if it ended. */
  readonly asked: Proposal | null;
  /** What the code ended with, if it threw. */
  readonly cause?: unknown;
}

/** The error that names both sides: what is recorded and what is asked for. */
export function divergence(
  attempt: Pick<Attempt, "head" | "record">,
  { recorded, node, asked, cause }: Divergence,
): NonDeterminismError {
  const { head, record } = attempt;
  const proposal = recorded === undefined ? undefined : record.effects.get(recorded)?.proposal;
  const holds = proposal ? inWords(proposal) : "another call";
  const place = proposal?.node ?? node;
  const now = asked ? `asks for ${inWords(asked)} instead` : `ended without asking for it${thrown(cause)}`;
  return new NonDeterminismError(
    `The node ${place} of ${head.agent} has ${holds} in its record, but the code now ${now}. The code changed while the run waited, or depends on something that is not recorded (time, chance, a variable outside the state). Nothing was called. Start the run again with the code that you want.`,
    {
      details: { run: head.run, node: place, recorded: holds, asked: asked ? inWords(asked) : null },
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

function thrown(cause: unknown): string {
  return cause === undefined ? "" : `, with the error: ${recordableError(cause).message}`;
}

function inWords(proposal: Proposal): string {
  return `${proposal.name} with ${JSON.stringify(proposal.input)}`;
}
