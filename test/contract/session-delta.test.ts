import { expect, test } from "vitest";
import type { Database } from "../../runtime/core/database.ts";
import { ENDED_STATUSES } from "../../runtime/core/events.ts";
import { eventsAfter } from "../../runtime/replay/sessions.ts";
import { claimed, step } from "../support/journal.ts";
import { useJournals } from "../support/journals.ts";

const { one } = useJournals();

test.each([0, 1, 2, 3])(
  "a session that ends while it is looked at, after %i statements - is never said to have ended without its last event",
  async (statements) => {
    const { head } = await claimed(one.journal);
    await one.journal.append(head, [step(1)]).durable;
    let left = statements;
    const end = async (): Promise<void> => {
      if (left-- !== 0) return;
      await one.journal.append(head, [{ type: "run_finished", data: { output: null } }], { status: "finished" })
        .durable;
    };
    const { database, journal } = one;
    const looked: Database = {
      ...database,
      async query<Row extends object>(text: string, values?: readonly unknown[], name?: string) {
        await end();
        return database.query<Row>(text, values, name);
      },
    };
    const readRuns: typeof journal.readRuns = async (runs, limit) => {
      await end();
      return journal.readRuns(runs, limit);
    };
    const context = { database: looked, journal: { readRuns } };
    const { session, events } = await eventsAfter(context, head.run, {}, 100);
    await end();
    const hasEnded = ENDED_STATUSES.includes(session.status);
    expect({ hasEnded, last: hasEnded ? events.at(-1)?.type : "run_finished" }).toEqual({
      hasEnded,
      last: "run_finished",
    });
    expect(ENDED_STATUSES).toContain((await eventsAfter(one, head.run, {}, 100)).session.status);
  },
);
