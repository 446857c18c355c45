import type { Envelope } from "../core/bus.ts";
import { derivedUuid } from "../core/ids.ts";
import type { NewRun } from "../core/journal.ts";
import type { DeadReason } from "../core/messages.ts";
import { issues } from "./arguments.ts";
import { decode, encode } from "./codec.ts";
import type { CompiledAgent } from "./compile-agent.ts";
import { receivedMessage } from "./receive-call.ts";

/** The run that an ask starts, or a message without a key. It goes on in the sender's session. */
export function runInSession(agent: CompiledAgent, envelope: Envelope): NewRun {
  return {
    ...common(envelope),
    run: envelope.target ?? derivedUuid(envelope.id, "run"),
    session: envelope.session,
    parent: envelope.run,
    version: agent.version,
    input: envelope.body,
    // What is asked has at most the time that the asker has left.
    deadline: envelope.deadline,
    timeoutMs: agent.agent.timeoutMs,
  };
}

/**
 * The run that the first message of a queue starts: a session of its own, which names the event that caused it. The
 * sender's deadline bounds what it waits for, and it does not wait for this.
 *
 * @returns why not, where the agent does not take the message
 */
export function runOfQueue(
  agent: CompiledAgent,
  envelope: Envelope,
  maxMessages: number,
): NewRun | { readonly dead: DeadReason; readonly detail: string } {
  const checked = checkedInput(agent, envelope);
  if ("dead" in checked) return checked;
  const run = derivedUuid(envelope.id, "run");
  const budget = Math.min(maxMessages, envelope.budgetLeft ?? maxMessages);
  return {
    ...common(envelope),
    run,
    session: run,
    parent: null,
    // It belongs to the version that takes it, not to the one that the message came to.
    version: null,
    input: checked.input,
    budget: budget < maxMessages ? budget : null,
    timeoutMs: agent.agent.timeoutMs,
  };
}

function common(
  envelope: Envelope,
): Pick<NewRun, "agent" | "key" | "startedBy" | "depth" | "labels" | "cause" | "message"> {
  return {
    agent: envelope.to,
    key: null,
    startedBy: envelope.startedBy,
    depth: envelope.run === null ? 0 : envelope.depth + 1,
    labels: envelope.labels,
    ...causeOf(envelope),
    ...(envelope.kind === "ask" ? {} : { message: receivedMessage(envelope) }),
  };
}

function causeOf({ id, run, cause, from, effect }: Envelope): Pick<NewRun, "cause"> {
  return run === null || cause === null ? {} : { cause: { run, ...cause, message: id, agent: from, effect } };
}

/** Whoever publishes does not know who listens: the agent says what it takes. */
function checkedInput(
  { agent }: CompiledAgent,
  { topic, from, body }: Envelope,
): { readonly input: NewRun["input"] } | { readonly dead: DeadReason; readonly detail: string } {
  if (topic === undefined || !agent.input) return { input: body };
  const parsed = agent.input.safeParse(decode(body));
  if (parsed.success) return { input: encode(parsed.data) };
  const detail = `What ${from} published on ${topic} does not fit the input of ${agent.name}: ${issues(parsed.error)}.`;
  return { dead: "invalid_input", detail };
}
