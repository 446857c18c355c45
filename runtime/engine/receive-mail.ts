import type { Envelope } from "../core/bus.ts";
import type { ErrorRecord } from "../core/errors.ts";
import { outcomeSchema } from "../core/events.ts";
import type { Housekeeping } from "../core/housekeeping.ts";
import type { Journal, NewRun } from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import type { CompiledAgent } from "./compile-agent.ts";
import { BadMessageError } from "./errors.ts";
import type { Mailer } from "./mailer.ts";
import { recordableError } from "./recordable-error.ts";

export interface MailContext {
  readonly agents: ReadonlyMap<string, CompiledAgent>;
  readonly journal: Journal;
  readonly mailer: Mailer;
  readonly housekeeping: Housekeeping;
  readonly onTrouble: (what: string, error: ErrorRecord, details: Readonly<Record<string, JsonValue>>) => void;
  /** Creates a run, and starts on it if there is a slot. */
  readonly begin: (run: NewRun) => Promise<void>;
  /** Starts on a run that has just become ready, if there is a slot. */
  readonly take: (agent: string, run: string) => Promise<void>;
}

/** A message from another agent: an ask starts a run here, an answer goes to the run that waits for it. */
export async function receiveMail(context: MailContext, agent: string, message: unknown): Promise<void> {
  try {
    const envelope = await context.mailer.open(message, agent);
    if (envelope.kind === "ask") await receiveAsk(context, envelope);
    else await receiveAnswer(context, envelope);
    await context.housekeeping.messageReceived(envelope.id);
  } catch (error) {
    if (!(error instanceof BadMessageError)) throw error;
    context.onTrouble("a message was set aside", recordableError(error), { agent });
  }
}

async function receiveAsk({ agents, begin }: MailContext, envelope: Envelope): Promise<void> {
  const agent = agents.get(envelope.to);
  if (!agent) throw new Error(`This worker does not run ${envelope.to}.`);
  await begin({
    run: envelope.target,
    session: envelope.session,
    parent: envelope.run,
    agent: envelope.to,
    version: agent.version,
    key: null,
    startedBy: envelope.startedBy,
    depth: envelope.depth + 1,
    input: envelope.body,
    // What is asked has at most the time that the asker has left.
    deadline: envelope.deadline,
    timeoutMs: agent.agent.timeoutMs,
    cause: {
      run: envelope.run,
      seq: envelope.cause.seq,
      hash: envelope.cause.hash,
      message: envelope.id,
      agent: envelope.from,
      effect: envelope.effect,
    },
  });
}

async function receiveAnswer({ journal, take }: MailContext, envelope: Envelope): Promise<void> {
  const outcome = outcomeSchema.safeParse(envelope.body);
  if (!outcome.success) {
    throw new BadMessageError(`An answer to the run ${envelope.target} says neither that it went well nor why not.`, {
      details: { message: envelope.id },
    });
  }
  await journal.deliver(envelope.target, {
    id: envelope.id,
    kind: "answer",
    data: {
      effect: envelope.effect,
      outcome: envelope.body,
      child: { run: envelope.run, seq: envelope.cause.seq, hash: envelope.cause.hash },
    },
  });
  await take(envelope.to, envelope.target);
}
