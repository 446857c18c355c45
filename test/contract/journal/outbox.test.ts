import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ViewWrite } from "../../../runtime/core/journal.ts";
import { createHousekeeping } from "../../../runtime/journal/housekeeping.ts";
import { claimed, step } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one, two } = useJournals();

describe("messages to other agents", () => {
  test("that nobody received - are given to one sweeper at a time, and no hundred of them hides a newer one", async () => {
    const [first, second] = [createHousekeeping(one.database), createHousekeeping(two.database)];
    const { head } = await claimed(one.journal);
    const ids = Array.from({ length: 150 }, () => randomUUID());
    const messages = ids.map(
      (id) =>
        ({
          view: "message_out",
          message: { envelope: { id, to: "a", kind: "ask", from: "b", run: null }, worker: "w", signature: "" },
        }) as unknown as ViewWrite,
    );
    await one.journal.append(head, [step(1)], { views: messages }).durable;
    expect(await first.unreceivedMessages()).toEqual([]);
    await one.database.query(
      "update outbox set resend_at = clock_timestamp() - interval '1 second' where msg_id = any($1)",
      [ids],
    );
    const given = (
      await Promise.all([first.unreceivedMessages(), second.unreceivedMessages(), first.unreceivedMessages()])
    ).flat();
    expect(given.map(({ message }) => message.envelope.id).sort()).toEqual([...ids].sort());
    expect(await first.unreceivedMessages()).toEqual([]);
    for (const id of ids) await first.messageReceived(id);
  });

  test("that nobody ever takes - are sent more and more seldom", async () => {
    const housekeeping = createHousekeeping(one.database);
    const { head } = await claimed(one.journal);
    const id = randomUUID();
    const message = { envelope: { id, to: "a", kind: "ask", from: "b", run: null }, worker: "w", signature: "" };
    await one.journal.append(head, [step(1)], { views: [{ view: "message_out", message } as unknown as ViewWrite] })
      .durable;
    const againAfter = async (age: string): Promise<number> => {
      await one.database.query(
        "update outbox set created_at = clock_timestamp() - $2::interval, resend_at = clock_timestamp() where msg_id = $1",
        [id, age],
      );
      expect(await housekeeping.unreceivedMessages()).toHaveLength(1);
      const [row] = await one.database.query<{ s: number }>(
        "select round(extract(epoch from resend_at - clock_timestamp()))::int as s from outbox where msg_id = $1",
        [id],
      );
      return row?.s ?? 0;
    };
    expect(await againAfter("1 second")).toBe(3);
    expect(await againAfter("1 minute")).toBe(60);
    expect(await againAfter("1 day")).toBe(600);
    await housekeeping.messageReceived(id);
  });
});
