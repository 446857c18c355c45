import type { JournalEvent } from "../../../runtime/core/events.ts";
import type { ModelWords } from "../../../runtime/core/protocol.ts";

/** What a page has heard of one model call that is under way. */
export interface Saying {
  readonly run: string;
  readonly effect: string;
  readonly node: string;
  readonly name: string;
  /** The end of what was said so far, at most {@link KEPT_LENGTH} of it. */
  readonly text: string;
  /** How much was said in all. */
  readonly length: number;
  /** Something before `text` was not heard, or is not kept. */
  readonly cut: boolean;
}

/** By run and effect: the key of the entry that the call will have. */
export type Sayings = ReadonlyMap<string, Saying>;

export const NOTHING_SAID: Sayings = new Map();

/** A page keeps no more of a call's text: the record has it whole soon enough. */
export const KEPT_LENGTH = 20_000;

/** Takes a piece in. A piece that comes twice or late changes nothing; one that was lost leaves a mark. */
export function hear(sayings: Sayings, words: ModelWords): Sayings {
  const { run, effect, node, name, offset, text } = words;
  const key = `${run}/${effect}`;
  const known = offset === 0 ? undefined : sayings.get(key);
  if (known !== undefined && offset < known.length) return sayings;
  const cut = known === undefined ? offset > 0 : known.cut || offset > known.length;
  const whole = known !== undefined && offset > known.length ? text : (known?.text ?? "") + text;
  const kept = whole.slice(-KEPT_LENGTH);
  const saying = { run, effect, node, name, text: kept, length: offset + text.length, cut: cut || kept !== whole };
  return new Map(sayings).set(key, saying);
}

/** The keys of the calls that have their end among these events. */
export function endedCalls(events: readonly JournalEvent[]): string[] {
  return events.flatMap((event) => {
    switch (event.type) {
      case "effect_recorded":
      case "effect_finished":
      case "effect_refused":
        return [`${event.run}/${event.data.effect}`];
      default:
        return [];
    }
  });
}

/** Leaves out calls whose end is in the record, and those of runs that ended, wait, or were taken up again. */
export function stillSaid(sayings: Sayings, events: readonly JournalEvent[]): Sayings {
  const left = new Map(sayings);
  for (const key of endedCalls(events)) left.delete(key);
  for (const event of events) {
    if (!stopsSpeaking(event)) continue;
    for (const [key, saying] of left) if (saying.run === event.run) left.delete(key);
  }
  return left.size === sayings.size ? sayings : left;
}

function stopsSpeaking(event: JournalEvent): boolean {
  switch (event.type) {
    case "run_parked":
    case "run_finished":
    case "run_failed":
    case "run_cancelled":
      return true;
    case "attempt_started":
      // The notice of the first one may come after the first words of its first call.
      return event.data.epoch > 1;
    default:
      return false;
  }
}
