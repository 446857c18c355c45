import type { SignedEnvelope } from "../../runtime/core/bus.ts";
import type { Messages, Routed } from "../../runtime/core/messages.ts";

/** Messages for tests of the engine alone: what lies in mailboxes is what a test puts there. */
export class MemoryMessages implements Messages {
  readonly mail = new Map<string, SignedEnvelope[]>();
  readonly topics = new Map<string, readonly string[]>();
  budget = 10_000;

  listen(): Promise<void> {
    return Promise.resolve();
  }

  listenersOf(topic: string): Promise<readonly string[]> {
    return Promise.resolve(this.topics.get(topic) ?? []);
  }

  isFull(): Promise<boolean> {
    return Promise.resolve(false);
  }

  budgetLeft(): Promise<number> {
    return Promise.resolve(this.budget);
  }

  mailOf(run: string, after: number): ReturnType<Messages["mailOf"]> {
    const all = this.mail.get(run) ?? [];
    return Promise.resolve(all.map((message, i) => ({ place: i + 1, message })).slice(after));
  }

  arrived(): Promise<null> {
    return Promise.resolve(null);
  }

  route(): Promise<Routed> {
    return Promise.resolve({ kind: "done" });
  }

  firstOf(): Promise<null> {
    return Promise.resolve(null);
  }

  bury(): Promise<void> {
    return Promise.resolve();
  }

  failed(): Promise<number> {
    return Promise.resolve(1);
  }

  quarantine(): Promise<void> {
    return Promise.resolve();
  }
}
