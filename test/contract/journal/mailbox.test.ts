import { describe, expect, test } from "vitest";
import { claimant, claimed } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one, two } = useJournals();

describe("the mailbox", () => {
  test("a message - arrives once, wakes a parked run, and is refused by an ended one", async () => {
    const { head } = await claimed(one.journal);
    expect(
      await one.journal.append(head, [{ type: "run_parked", data: { waits: [] } }], { status: "parked" }).durable,
    ).toBe("parked");
    const message = { id: "m1", kind: "answer", data: { n: 1 } } as const;
    const delivered = await Promise.all([two, one, two].map(({ journal }) => journal.deliver(head.run, message)));
    expect(delivered.filter((result) => result.delivered)).toHaveLength(1);
    const [claim] = await two.journal.claim([head.run], claimant("w2"));
    if (!claim) throw new Error("The run was not woken.");
    const mail = await two.journal.mailbox(head.run);
    expect(mail.messages).toEqual([message]);
    await two.journal.append(claim.head, [{ type: "run_finished", data: { output: null } }], {
      status: "finished",
      mailboxTaken: mail.upTo,
    }).durable;
    expect(await one.journal.deliver(head.run, { ...message, id: "m2" })).toEqual({ delivered: false, agent: null });
    expect((await one.journal.mailbox(head.run)).messages).toEqual([]);
  });

  test("a message that comes exactly while the run parks - makes it ready instead", async () => {
    const { head } = await claimed(one.journal);
    const before = await one.journal.mailbox(head.run);
    await two.journal.deliver(head.run, { id: "late", kind: "answer", data: null });
    const status = await one.journal.append(head, [{ type: "run_parked", data: { waits: [] } }], {
      status: "parked",
      mailboxTaken: before.upTo,
    }).durable;
    expect(status).toBe("ready");
    expect(await two.journal.claim([head.run], claimant("w2"))).toHaveLength(1);
  });

  test("messages and parks in any interleaving - lose no wake", async () => {
    const { head } = await claimed(one.journal);
    let current = head;
    let taken = 0;
    const sends = Array.from({ length: 40 }, (_, n) =>
      two.journal.deliver(head.run, { id: `n${String(n)}`, kind: "answer", data: n }),
    );
    while (taken < 40) {
      const mail = await one.journal.mailbox(current.run);
      taken += mail.messages.length;
      const status = await one.journal.append(current, [{ type: "run_parked", data: { waits: [] } }], {
        status: "parked",
        mailboxTaken: mail.upTo,
      }).durable;
      if (status === "parked" && taken < 40) {
        await Promise.race(sends);
        await expect
          .poll(
            async () =>
              (await one.journal.claim([current.run], claimant("w1"))).map((claim) => (current = claim.head)).length,
          )
          .toBe(1);
      } else if (status === "ready") {
        const [claim] = await one.journal.claim([current.run], claimant("w1"));
        if (!claim) throw new Error("A ready run could not be claimed.");
        current = claim.head;
      }
    }
    await Promise.all(sends);
    expect(taken).toBe(40);
  });
});
