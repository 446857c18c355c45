import { randomUUID } from "node:crypto";
import type { Envelope, SignedEnvelope } from "../../runtime/core/bus.ts";
import type { ViewWrite } from "../../runtime/core/journal.ts";
import type { Messages, Routed } from "../../runtime/core/messages.ts";

/** Messages for tests of the engine alone: what lies in mailboxes is what a test leaves there. */
export class MemoryMessages implements Messages {
  readonly topics = new Map<string, readonly string[]>();
  readonly full = new Set<string>();
  budget = 10_000;
  readonly #views: readonly ViewWrite[];
  readonly #mail = new Map<string, SignedEnvelope[]>();

  /** @param views what the journal's appends have written: it says what was taken */
  constructor(views: readonly ViewWrite[]) {
    this.#views = views;
  }

  /** What was sent, in order, each once. */
  get sent(): Envelope[] {
    return this.#views.flatMap((view) => (view.view === "message_out" ? [view.message.envelope] : []));
  }

  leave(run: string, message: SignedEnvelope): void {
    this.#mail.set(run, [...(this.#mail.get(run) ?? []), message]);
  }

  listen(): Promise<void> {
    return Promise.resolve();
  }

  listenersOf(topic: string): Promise<readonly string[]> {
    return Promise.resolve(this.topics.get(topic) ?? []);
  }

  room(agent: string): Promise<number> {
    return Promise.resolve(this.full.has(agent) ? 0 : 1_000);
  }

  mayReply(): Promise<boolean> {
    return Promise.resolve(true);
  }

  budgetLeft(): Promise<number> {
    const used = this.#views.flatMap((view) => (view.view === "budget_used" ? [view.messages] : []));
    return Promise.resolve(this.budget - used.reduce((sum, n) => sum + n, 0));
  }

  mailOf(run: string, after: number): ReturnType<Messages["mailOf"]> {
    const taken = new Set(this.#views.flatMap((view) => (view.view === "mail_taken" ? [view.message] : [])));
    const all = (this.#mail.get(run) ?? []).map((message, i) => ({ place: i + 1, message }));
    return Promise.resolve(all.slice(after).filter(({ message }) => !taken.has(message.envelope.id)));
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

/** A message to a run, as its sender would have written it. */
export function messageTo(run: string, changes: Partial<Envelope> = {}): Envelope {
  return {
    v: 1,
    id: randomUUID(),
    kind: "reply",
    from: "peer",
    to: "one-node",
    session: run,
    run: randomUUID(),
    cause: { seq: 1, hash: "00" },
    target: run,
    effect: "e",
    startedBy: { kind: "person", id: "ada" },
    depth: 1,
    deadline: null,
    budgetLeft: null,
    labels: [],
    sentAt: 1,
    body: null,
    ...changes,
  };
}
