import { randomUUID } from "node:crypto";
import type { ConsoleServices } from "../../runtime/core/console-services.ts";
import { ConflictError, NotFoundError } from "../../runtime/core/errors.ts";
import type { Principal } from "../../runtime/core/people.ts";
import type { DeadLetterDetails, ListenerView, QuarantinedMessageView } from "../../runtime/core/messages-protocol.ts";

type MailServices = Pick<
  ConsoleServices,
  | "listListeners"
  | "forgetListener"
  | "publish"
  | "listDeadLetters"
  | "getDeadLetter"
  | "redriveDeadLetter"
  | "dropDeadLetter"
  | "listQuarantinedMessages"
  | "dismissQuarantinedMessage"
>;

/** What the console's services say of messages, over plain lists. */
export abstract class MemoryMail implements MailServices {
  listeners: readonly ListenerView[] = [{ agent: "refunds", topics: ["orders.>"], queue: 1000 }];
  readonly deadLetters = new Map<string, DeadLetterDetails>();
  readonly quarantined = new Map<string, QuarantinedMessageView>();

  protected abstract read<T>(work: () => T): Promise<T>;

  /** A message that is not tried any more. */
  addDeadLetter(): string {
    const deadLetter = randomUUID();
    this.deadLetters.set(deadLetter, {
      deadLetter,
      message: randomUUID(),
      kind: "publish",
      agent: "refunds",
      from: "service:shop",
      run: null,
      session: null,
      target: null,
      topic: "orders.returned",
      key: "orders.returned",
      reason: "invalid_input",
      detail: "It does not fit.",
      tries: 0,
      sentAt: 1,
      diedAt: 2,
      settled: null,
      cannotRedrive: null,
      startedBy: { kind: "service", id: "shop" },
      labels: [],
      body: { orderId: 7 },
    });
    return deadLetter;
  }

  /** Something that came and was not believed. */
  addQuarantined(): string {
    const quarantined = randomUUID();
    this.quarantined.set(quarantined, {
      quarantined,
      reason: "unsigned",
      detail: "Nobody signed it.",
      subject: "mail.refunds",
      bytes: 2,
      text: "{}",
      firstAt: 1,
      lastAt: 1,
      times: 1,
      dismissed: null,
    });
    return quarantined;
  }

  listListeners: MailServices["listListeners"] = () => this.read(() => [...this.listeners]);

  forgetListener: MailServices["forgetListener"] = (_by, agent) =>
    this.read(() => {
      this.listeners = this.listeners.filter((listener) => listener.agent !== agent);
    });

  publish: MailServices["publish"] = () =>
    this.read(() => ({ published: { receivers: ["refunds"], messages: [randomUUID()] }, created: true }));

  listDeadLetters: MailServices["listDeadLetters"] = ({ all }) =>
    this.read(() => ({
      deadLetters: [...this.deadLetters.values()].filter(({ settled }) => all || settled === null),
      next: null,
    }));

  getDeadLetter: MailServices["getDeadLetter"] = (id) => this.read(() => known(this.deadLetters, id));

  redriveDeadLetter: MailServices["redriveDeadLetter"] = (by, id, reason) => this.#settle("redriven", by, id, reason);

  dropDeadLetter: MailServices["dropDeadLetter"] = (by, id, reason) => this.#settle("dropped", by, id, reason);

  listQuarantinedMessages: MailServices["listQuarantinedMessages"] = ({ all }) =>
    this.read(() => ({
      messages: [...this.quarantined.values()].filter(({ dismissed }) => all || dismissed === null),
      next: null,
    }));

  dismissQuarantinedMessage: MailServices["dismissQuarantinedMessage"] = (by, id, reason) =>
    this.read(() => {
      const seen = known(this.quarantined, id);
      if (seen.dismissed) throw new ConflictError(`${seen.dismissed.by} has dismissed it.`);
      const dismissed = { ...seen, dismissed: { by: by.name, reason, at: 3 } };
      this.quarantined.set(id, dismissed);
      return dismissed;
    });

  #settle(as: "redriven" | "dropped", by: Principal, id: string, reason: string): Promise<DeadLetterDetails> {
    return this.read(() => {
      const seen = known(this.deadLetters, id);
      if (seen.settled) throw new ConflictError(`${seen.settled.by} was faster.`);
      const settled = { ...seen, settled: { as, by: by.name, reason, at: 3 } };
      this.deadLetters.set(id, settled);
      return settled;
    });
  }
}

function known<T>(all: ReadonlyMap<string, T>, id: string): T {
  const found = all.get(id);
  if (found === undefined) throw new NotFoundError(`There is no ${id}.`);
  return found;
}
