import { EMPTY_FEED, receiveFrame, type FeedNeed, type Frame, type SessionFeed } from "../live/session-feed.ts";

/** Holds one session's feed for as long as its page is open. */
export class SessionStore {
  readonly #listeners = new Set<() => void>();
  #feed: SessionFeed;

  constructor(view: Frame) {
    this.#feed = receiveFrame(EMPTY_FEED, view).feed;
  }

  readonly feed = (): SessionFeed => this.#feed;

  readonly onChange = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  receive(frame: Frame): FeedNeed {
    const { feed, need } = receiveFrame(this.#feed, frame);
    this.#set(feed);
    return need;
  }

  /** Starts over from a view: what was held may belong to a record that is no more. */
  reset(view: Frame): void {
    this.#set(receiveFrame(EMPTY_FEED, view).feed);
  }

  #set(feed: SessionFeed): void {
    this.#feed = feed;
    for (const listener of this.#listeners) listener();
  }
}
