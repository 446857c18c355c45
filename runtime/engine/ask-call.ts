import type { AnyAgent } from "../../agents/define-agent.ts";
import type { Proposal } from "../core/events.ts";
import type { JsonValue } from "../core/json.ts";
import { parse, plain } from "./arguments.ts";
import { decode, encode } from "./codec.ts";
import { AskFailedError, InvalidArgumentsError } from "./errors.ts";
import { passGate } from "./gate.ts";
import { bodyBytes, MAX_BODY_BYTES } from "./outgoing.ts";
import { currentExecution } from "./place.ts";
import { withdraw } from "./withdraw.ts";

/** A message is sent and not called: this bounds nothing. */
const NOT_CALLED_MS = 30_000;

/** Asks another agent, and waits for its answer. */
export async function ask(asked: AnyAgent, input: unknown, proposed?: (proposal: Proposal) => void): Promise<unknown> {
  const checked = bodyFor(asked, input);
  const outcome = await passGate({
    kind: "ask",
    action: "agent.ask",
    resource: asked.name,
    class: "idempotent",
    input: checked,
    judged: true,
    timeoutMs: NOT_CALLED_MS,
    ...(proposed ? { proposed } : {}),
    perform: () => Promise.reject(new Error("An ask is sent, not called.")),
  });
  if (outcome.ok) return decode(outcome.value);
  throw new AskFailedError(asked.name, outcome.error);
}

/** What an agent is told, checked against what it takes. */
export function bodyFor(agent: AnyAgent, input: unknown): JsonValue {
  return sendable(agent.input ? parse(agent.input, input, agent.name) : plain(input, agent.name), agent.name);
}

/** @throws {@link InvalidArgumentsError} if it is longer than a message can be. */
export function sendable(body: JsonValue, name: string): JsonValue {
  const bytes = bodyBytes(encode(body));
  if (bytes <= MAX_BODY_BYTES) return body;
  throw new InvalidArgumentsError(
    `What ${name} is told has ${String(bytes)} bytes and a message carries at most ${String(MAX_BODY_BYTES)}. Give a reference to large content instead. Nothing was sent.`,
    { details: { name, bytes } },
  );
}

/** One agent that is asked together with others: the name under which it is listed, itself, and what it is asked. */
export interface AskedOne {
  readonly name: string;
  readonly agent: AnyAgent;
  readonly input: unknown;
}

/** Asks several agents at once, and waits for all of their answers. The first that failed is told of when all have ended. */
export async function askForAll(asks: readonly AskedOne[]): Promise<Record<string, unknown>> {
  const settled = await Promise.allSettled(asks.map(({ agent, input }) => ask(agent, input)));
  const failed = settled.find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
  return Object.fromEntries(
    settled.map((one, i) => [asks[i]?.name ?? "", one.status === "fulfilled" ? one.value : undefined]),
  );
}

/** Asks several agents at once, and takes the first answer; the others are cancelled. */
export async function askForFirst(
  asks: readonly AskedOne[],
): Promise<{ readonly agent: string; readonly answer: unknown }> {
  const execution = currentExecution("agent.ask");
  const proposals = new Map<number, Proposal>();
  const answers = asks.map(async ({ name, agent, input }, i) => {
    const answer = await ask(agent, input, (proposal) => proposals.set(i, proposal));
    return { i, won: { agent: name, answer } };
  });
  try {
    const { i, won } = await Promise.any(answers);
    withdraw(
      execution,
      [...proposals].flatMap(([other, proposal]) => (other === i ? [] : [proposal])),
    );
    return won;
  } catch (error) {
    // All have failed: the first of them stands for the others.
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
}
