import type { SignedEnvelope } from "../core/bus.ts";
import type { Messages } from "../core/messages.ts";
import { BadMessageError } from "./errors.ts";
import type { Mailer } from "./mailer.ts";

/** Reads the mailbox of a run, for one attempt. Who asks first is given first. */
export class MailReader {
  readonly #messages: Messages;
  readonly #mailer: Mailer;
  readonly #run: string;
  /** Taken in this attempt; perhaps that is not on disk yet. */
  readonly #taken = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(messages: Messages, mailer: Mailer, run: string) {
    this.#messages = messages;
    this.#mailer = mailer;
    this.#run = run;
  }

  /** Gives the oldest message that fits to `use`, which appends that it was taken; undefined if there is none. */
  take<T>(fits: (message: SignedEnvelope) => boolean, use: (message: SignedEnvelope) => T): Promise<T | undefined> {
    const taken = this.#last.then(async () => {
      const message = await this.#find(fits);
      if (!message) return undefined;
      this.#taken.add(message.envelope.id);
      return use(message);
    });
    this.#last = taken.catch(() => undefined);
    return taken;
  }

  async #find(fits: (message: SignedEnvelope) => boolean): Promise<SignedEnvelope | undefined> {
    let after = 0;
    for (;;) {
      const page = await this.#messages.mailOf(this.#run, after);
      for (const { message } of page) {
        if (!this.#taken.has(message.envelope.id) && fits(message) && (await this.#isGenuine(message))) return message;
      }
      const last = page.at(-1);
      if (!last) return undefined;
      after = last.place;
    }
  }

  /** Whoever can write to the database still cannot put words into an agent's mouth. */
  async #isGenuine(message: SignedEnvelope): Promise<boolean> {
    try {
      await this.#mailer.check(message);
      return true;
    } catch (error) {
      if (!(error instanceof BadMessageError)) throw error;
      await this.#messages.bury(message, "forged", error.message);
      return false;
    }
  }
}
