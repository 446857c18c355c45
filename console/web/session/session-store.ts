import type { ModelWords } from "../../../runtime/core/protocol.ts";
import { endedCalls, hear, NOTHING_SAID, stillSaid, type Sayings } from "../live/saying.ts";
import { EMPTY_FEED, receiveFrame, type FeedNeed, type Frame, type SessionFeed } from "../live/session-feed.ts";

/** Holds one session's feed for as long as its page is open. */
export class SessionStore {
  readonly #listeners = new Set<() => void>();
  #feed: SessionFeed;
  /** Calls that have ended: words about them are late. */
  readonly #ended = new Set<string>();
  #sayings: Sayings = NOTHING_SAID;

  constructor(view: Frame) {
    this.#feed = receiveFrame(EMPTY_FEED, view).feed;
    for (const key of endedCalls(view.events)) this.#ended.add(key);
  }

  readonly feed = (): SessionFeed => this.#feed;

  /** What models are saying right now, as far as it was heard. */
  readonly sayings = (): Sayings => this.#sayings;

  readonly onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  receive(frame: Frame): FeedNeed {
    const { feed, need } = receiveFrame(this.#feed, frame);
    for (const key of endedCalls(frame.events)) this.#ended.add(key);
    this.#sayings = stillSaid(this.#sayings, frame.events);
    this.#set(feed);
    return need;
  }

  hear(words: ModelWords): void {
    if (this.#ended.has(`${words.run}/${words.effect}`)) return;
    this.#sayings = hear(this.#sayings, words);
    this.#tell();
  }

  /** Starts over from a view: what was held may belong to a record that is no more. */
  reset(view: Frame): void {
    this.#ended.clear();
    for (const key of endedCalls(view.events)) this.#ended.add(key);
    this.#sayings = NOTHING_SAID;
    this.#set(receiveFrame(EMPTY_FEED, view).feed);
  }

  #set(feed: SessionFeed): void {
    this.#feed = feed;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
