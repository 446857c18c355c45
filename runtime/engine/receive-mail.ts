import type { Bus, Envelope, IncomingMail, SignedEnvelope } from "../core/bus.ts";
import { canonicalJson } from "../core/canonical.ts";
import { SignalboxError, type ErrorRecord } from "../core/errors.ts";
import { outcomeSchema } from "../core/events.ts";
import type { Housekeeping } from "../core/housekeeping.ts";
import type { Journal, NewRun } from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import type { DeadReason, Messages } from "../core/messages.ts";
import { runInSession, runOfQueue } from "./begin-run.ts";
import type { CompiledAgent } from "./compile-agent.ts";
import { BadMessageError, UndeliverableError } from "./errors.ts";
import type { InOrder } from "./in-order.ts";
import type { Mailer } from "./mailer.ts";
import { isAwaited } from "./receive-call.ts";
import { recordableError } from "./recordable-error.ts";

export interface MailContext {
  readonly agents: ReadonlyMap<string, CompiledAgent>;
  readonly journal: Journal;
  readonly mailer: Mailer;
  readonly messages: Messages;
  readonly bus: Pick<Bus, "dead">;
  readonly housekeeping: Housekeeping;
  readonly maxMessages: number;
  /** Messages of one run to one agent are brought one after the other. */
  readonly order: InOrder;
  readonly onTrouble: (what: string, error: ErrorRecord, details: Readonly<Record<string, JsonValue>>) => void;
  /** Creates a run, and starts on it if there is a slot. */
  readonly begin: (run: NewRun) => Promise<void>;
  /** Starts on a run that has just become ready, if there is a slot. */
  readonly take: (agent: string, run: string) => Promise<void>;
}

/** So many times is it tried to bring a message to its receiver, not counting what is wrong with a server. */
const MAX_TRIES = 5;

/**
 * A message from another agent. What NATS brings only says that there is one: it has to be in the outbox, word for
 * word and signed, and what the same run sent the same agent before it comes first.
 */
export async function receiveMail(context: MailContext, agent: string, mail: IncomingMail): Promise<void> {
  try {
    const signed = await context.mailer.open(mail, agent);
    const { run, to, id } = signed.envelope;
    // Otherwise each message of a long queue would set about to bring all that stand before it.
    await context.order.run(`${run ?? id} ${to}`, () => receiveOne(context, signed, !mail.redelivered));
  } catch (error) {
    if (!(error instanceof BadMessageError)) throw error;
    const { subject, bytes, text } = mail;
    await context.messages.quarantine({ reason: error.reason, detail: error.message, subject, bytes, text });
    context.onTrouble("a message was put in quarantine", recordableError(error), { agent });
  }
}

/** @throws {@link BadMessageError} for what is not to be believed. */
async function receiveOne(context: MailContext, signed: SignedEnvelope, isCopy: boolean): Promise<void> {
  const { id } = signed.envelope;
  const text = canonicalJson(signed);
  for (let copy = isCopy; ; copy = false) {
    const arrival = await context.messages.arrived(id, copy);
    if (!arrival) throw new BadMessageError("unknown", "It is signed as it should be, and nobody has sent it.");
    if (arrival.stored !== text) {
      throw new BadMessageError("forged", "It is signed as it should be, and is not what was sent under its id.");
    }
    if (copy && arrival.replayed && arrival.state !== "waiting") {
      throw new BadMessageError("replayed", "More copies of it have come than were sent.");
    }
    if (arrival.state !== "waiting" || !arrival.first) return;
    await bring(context, arrival.first);
    if (arrival.first.envelope.id === id) return;
  }
}

/** Goes on with the queue of a key whose run has ended. */
export async function goOnWithQueue(context: MailContext, agent: string, key: string): Promise<void> {
  const first = await context.messages.firstOf(agent, key);
  if (first) await bring(context, first);
}

async function bring(context: MailContext, message: SignedEnvelope): Promise<void> {
  try {
    await context.mailer.check(message);
    await receive(context, message);
  } catch (error) {
    if (error instanceof BadMessageError) {
      await bury(context, message, "forged", error);
      return;
    }
    // A server that is away, or a worker that stops, says nothing about the message.
    if (error instanceof SignalboxError && error.disposition === "retry") throw error;
    if ((await context.messages.failed(message.envelope.id)) < MAX_TRIES) throw error;
    await bury(context, message, "too_many_tries", error);
  }
}

async function receive(context: MailContext, message: SignedEnvelope): Promise<void> {
  const { envelope } = message;
  if (envelope.kind === "answer") await receiveAnswer(context, envelope);
  else if (envelope.kind === "ask" || (envelope.kind === "send" && envelope.key === undefined)) {
    await context.begin(runInSession(agentOf(context, envelope), envelope));
  } else {
    await route(context, message);
    return;
  }
  await context.housekeeping.messageReceived(envelope.id);
}

function agentOf({ agents }: MailContext, { to }: Envelope): CompiledAgent {
  const agent = agents.get(to);
  if (!agent) throw new Error(`This worker does not run ${to}.`);
  return agent;
}

/** Brings a message to the run that its queue has, or that it names, or to a new one. */
async function route(context: MailContext, message: SignedEnvelope): Promise<void> {
  for (;;) {
    const { envelope } = message;
    const routed = await context.messages.route(message, startOf(context, envelope), (waits) =>
      isAwaited(waits, envelope),
    );
    switch (routed.kind) {
      case "behind":
        await bring(context, routed.first);
        continue;
      case "left":
      case "started":
        await context.take(envelope.to, routed.run);
        return;
      case "dead":
        told(context, message, routed.reason);
        return;
      case "done":
        return;
    }
  }
}

function startOf(
  context: MailContext,
  envelope: Envelope,
): NewRun | { readonly dead: DeadReason; readonly detail: string } {
  if (envelope.key === undefined) return { dead: "run_ended", detail: "The run that it is for has ended." };
  return runOfQueue(agentOf(context, envelope), envelope, context.maxMessages);
}

async function receiveAnswer({ journal, take }: MailContext, envelope: Envelope): Promise<void> {
  const outcome = outcomeSchema.safeParse(envelope.body);
  const { target, run, cause, effect, labels } = envelope;
  if (!outcome.success || target === null || run === null || cause === null) {
    throw new BadMessageError(
      "malformed",
      `An answer to the run ${String(target)} says neither that it went well nor why not.`,
    );
  }
  await journal.deliver(target, {
    id: envelope.id,
    kind: "answer",
    data: {
      effect,
      outcome: envelope.body,
      child: { run, ...cause },
      ...(labels.length === 0 ? {} : { labels: [...labels] }),
    },
  });
  await take(envelope.to, target);
}

/** The message is not tried any more. Whoever waits for an answer is told. */
async function bury(context: MailContext, message: SignedEnvelope, reason: DeadReason, thrown: unknown): Promise<void> {
  const { journal, messages } = context;
  const { id, kind, to, run, effect } = message.envelope;
  const error = recordableError(thrown);
  // First of all: of a message that is dead nobody speaks again, and whoever asked would wait for ever.
  if (kind === "ask" && run !== null) {
    const undeliverable = new UndeliverableError(`It could not be brought to ${to}: ${error.message}`, {
      details: { message: id, reason },
    });
    const outcome = { ok: false, error: { ...recordableError(undeliverable) } } as unknown as JsonValue;
    await journal.deliver(run, { id: `undelivered:${id}`, kind: "undelivered", data: { effect, outcome } });
  }
  await messages.bury(message, reason, error.message);
  told(context, message, reason);
}

function told({ bus, onTrouble }: MailContext, message: SignedEnvelope, reason: DeadReason): void {
  const { id, to, from } = message.envelope;
  bus.dead(message, reason);
  onTrouble(
    "a message is not tried any more",
    { name: "DeadLetter", message: `A message from ${from} to ${to} is a dead letter now: ${reason}.` },
    { message: id, agent: to, reason },
  );
}
