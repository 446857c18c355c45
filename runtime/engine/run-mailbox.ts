import type { Claim, Journal, MailboxMessage } from "../core/journal.ts";
import type { RunRecord } from "../core/run-record.ts";
import { takeOver, type Mail } from "./incoming.ts";

/** What is left for a run by others (decisions, answers, cancels), as one attempt takes it. */
export class RunMailbox {
  readonly #journal: Journal;
  readonly #run: string;
  readonly #record: RunRecord;
  /** How far this attempt has seen to everything: what came later makes the run ready as soon as it parks. */
  #taken = 0;
  /** Where it was empty when the run was claimed: up to where. */
  readonly #emptyUpTo: number | undefined;

  constructor(journal: Journal, { head, emptyUpTo }: Pick<Claim, "head" | "emptyUpTo">, record: RunRecord) {
    this.#journal = journal;
    this.#run = head.run;
    this.#record = record;
    this.#emptyUpTo = emptyUpTo;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Everything that has come; asked for at the beginning of an attempt. */
  async take(): Promise<Mail> {
    if (this.#emptyUpTo !== undefined) {
      this.#taken = this.#emptyUpTo;
      return { events: [], unexpected: [] };
    }
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
