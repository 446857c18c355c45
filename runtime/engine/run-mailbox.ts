import type { Journal, MailboxMessage } from "../core/journal.ts";
import type { RunRecord } from "../core/run-record.ts";
import { takeOver, type Mail } from "./incoming.ts";

/** What is left for a run by others (decisions, answers, cancels), as one attempt takes it. */
export class RunMailbox {
  readonly #journal: Journal;
  readonly #run: string;
  readonly #record: RunRecord;
  /** How far this attempt has seen to everything: what came later makes the run ready as soon as it parks. */
  #taken = 0;

  constructor(journal: Journal, run: string, record: RunRecord) {
    this.#journal = journal;
    this.#run = run;
    this.#record = record;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Everything that has come. */
  async take(): Promise<Mail> {
    const { messages, upTo } = await this.#journal.mailbox(this.#run);
    this.#taken = upTo;
    return takeOver(this.#record, messages);
  }

  /**
   * What has come since, of which only a cancel cannot wait for the next attempt.
   *
   * @returns the cancels; null if nothing has come, and the run was only woken
   */
  async takeCancels(): Promise<Mail["events"] | null> {
    const { messages, upTo } = await this.#journal.mailbox(this.#run);
    const fresh = messages.filter(({ id }) => !this.#record.messages.has(id));
    if (fresh.length === 0) return null;
    const cancels = fresh.filter(isCancel);
    const { events } = takeOver(this.#record, cancels);
    // What else there is, or was to be looked at elsewhere, makes the run ready as soon as it parks.
    if (cancels.length === fresh.length && upTo - this.#taken === fresh.length) this.#taken = upTo;
    return events;
  }
}

function isCancel({ kind }: MailboxMessage): boolean {
  return kind === "cancel";
}
