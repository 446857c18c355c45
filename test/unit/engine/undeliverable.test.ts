import { expect, test } from "vitest";
import { canonicalJson } from "../../../runtime/core/canonical.ts";
import type { MailboxMessage } from "../../../runtime/core/journal.ts";
import type { Arrival } from "../../../runtime/core/messages.ts";
import { InOrder } from "../../../runtime/engine/in-order.ts";
import { receiveMail, type MailContext } from "../../../runtime/engine/receive-mail.ts";
import { MemoryMessages, messageTo } from "../../support/memory-messages.ts";

test("an ask that cannot be brought to anybody - is told to whoever asked before it is a dead letter", async () => {
  const done: string[] = [];
  const told: MailboxMessage[] = [];
  const envelope = messageTo("6c1f8f5e-0000-4000-8000-000000000000", { kind: "ask", to: "clerk" });
  const signed = { envelope, worker: "w", signature: "" };
  class Poisoned extends MemoryMessages {
    override arrived(): Promise<never> {
      const arrival: Arrival = { stored: canonicalJson(signed), state: "waiting", replayed: false, first: signed };
      return Promise.resolve(arrival as never);
    }
    override failed(): Promise<number> {
      return Promise.resolve(5);
    }
    override bury(): Promise<void> {
      done.push("buried");
      return Promise.resolve();
    }
  }
  const context = {
    // No agent of that name: it fails whoever tries it.
    agents: new Map(),
    mailer: { open: () => Promise.resolve(signed), check: () => Promise.resolve() },
    messages: new Poisoned([]),
    bus: { dead: () => done.push("published") },
    journal: {
      deliver: (_: string, message: MailboxMessage) => {
        done.push("told");
        told.push(message);
        return Promise.resolve({ delivered: true, agent: "boss" });
      },
    },
    order: new InOrder(),
    onTrouble: () => undefined,
  } as unknown as MailContext;
  const mail = { subject: "mail.clerk", text: "", data: signed, bytes: 1, redelivered: false };
  await receiveMail(context, "clerk", mail);
  expect(done).toEqual(["told", "buried", "published"]);
  expect(told).toMatchObject([
    {
      kind: "undelivered",
      data: { effect: envelope.effect, outcome: { ok: false, error: { code: "UNDELIVERABLE" } } },
    },
  ]);
});
