import { BaseMessage, coerceMessageLikeToMessage } from "@langchain/core/messages";
import { Command, isCommand, messagesStateReducer } from "@langchain/langgraph";
import { derivedUuid } from "../core/ids.ts";
import { isPlainObject } from "../core/json.ts";

/**
 * Gives messages their ids before they are recorded. LangGraph's message reducer invents a random id for
 * each message that has none, so without this a resumed run would hold other messages than the recorded
 * one. The ids are a function of run, node execution and place.
 *
 * `messageChannels` are the channels whose reducer is LangGraph's: what they are given may also be a
 * string, a tuple or a `{ role, content }`, which is made a message first, as the reducer would. An update
 * may be a plain object, a `Command`, or a list of both.
 */
export function withMessageIds(
  update: unknown,
  messageChannels: ReadonlySet<string>,
  seed: readonly string[],
): unknown {
  return new Identifier(messageChannels).update(update, seed);
}

/** LangGraph's name for the channel of a state that is one value. */
const ROOT = "__root__";

/** One update's worth of messages: what is one message in several places of it stays one. */
class Identifier {
  readonly #messageChannels: ReadonlySet<string>;
  readonly #identified = new Map<BaseMessage, BaseMessage>();

  constructor(messageChannels: ReadonlySet<string>) {
    this.#messageChannels = messageChannels;
  }

  update(update: unknown, seed: readonly string[]): unknown {
    // A state that is nothing but messages (MessageGraph) is one channel without a name.
    if (this.#messageChannels.has(ROOT) && !isCommand(update)) return this.#root(update, seed);
    if (isCommand(update)) return this.#command(update, seed);
    if (Array.isArray(update) && update.some((part) => isCommand(part))) {
      return update.map((part: unknown, i) => this.update(part, [...seed, String(i)]));
    }
    return isPlainObject(update) ? this.#channels(update, seed) : update;
  }

  #root(update: unknown, seed: readonly string[]): unknown {
    const parts: unknown[] = Array.isArray(update) ? update : [update];
    if (!parts.some((part) => isCommand(part)))
      return update === null || update === undefined ? update : this.#channel(ROOT, update, seed);
    return parts.map((part, i) =>
      isCommand(part) ? this.#command(part, [...seed, String(i)]) : this.#channel(ROOT, part, seed),
    );
  }

  #command(command: Command, seed: readonly string[]): unknown {
    const { update, graph, resume, goto } = command as Command & { update?: unknown };
    if (update === undefined) return command;
    const identified = Array.isArray(update)
      ? update.map(([channel, value]: [string, unknown], i) => [
          channel,
          this.#channel(channel, value, [...seed, String(i)]),
        ])
      : this.update(update, seed);
    return new Command({
      ...(graph === undefined ? {} : { graph }),
      ...(resume === undefined ? {} : { resume }),
      ...(goto === undefined ? {} : { goto }),
      update: identified as Record<string, unknown>,
    });
  }

  #channels(update: Readonly<Record<string, unknown>>, seed: readonly string[]): Record<string, unknown> {
    const identified: Record<string, unknown> = {};
    for (const channel of Object.keys(update)) identified[channel] = this.#channel(channel, update[channel], seed);
    return identified;
  }

  #channel(channel: string, value: unknown, seed: readonly string[]): unknown {
    const place = [...seed, channel];
    if (this.#messageChannels.has(channel)) {
      // As the reducer takes it: a list is a list of messages, anything else is one message.
      const messages: unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
      return this.#each(messages.map(coerce), place);
    }
    // Elsewhere only what is a message already, alone or in a list.
    if (BaseMessage.isInstance(value)) return this.#each([value], place)[0];
    return Array.isArray(value) && value.some((item) => BaseMessage.isInstance(item))
      ? this.#each(value, place)
      : value;
  }

  #each(values: readonly unknown[], seed: readonly string[]): unknown[] {
    return values.map((value, i) => {
      if (!BaseMessage.isInstance(value) || (value.id !== undefined && value.id !== "")) return value;
      const known = this.#identified.get(value);
      if (known) return known;
      const identified = withId(value, derivedUuid(...seed, String(i)));
      this.#identified.set(value, identified);
      return identified;
    });
  }
}

/** A copy: the same message object may be given to several runs, as a constant of a module is. */
function withId(message: BaseMessage, id: string): BaseMessage {
  const copy = Object.create(Object.getPrototypeOf(message) as object) as BaseMessage;
  return Object.assign(copy, message, { id, lc_kwargs: { ...message.lc_kwargs, id } });
}

function coerce(value: unknown): unknown {
  if (BaseMessage.isInstance(value) || value === null || value === undefined) return value;
  return coerceMessageLikeToMessage(value as Parameters<typeof coerceMessageLikeToMessage>[0]);
}

/** True for channels that LangGraph's message reducer keeps. */
export function isMessageChannel(channel: unknown): boolean {
  return (
    typeof channel === "object" &&
    channel !== null &&
    "operator" in channel &&
    channel.operator === messagesStateReducer
  );
}
