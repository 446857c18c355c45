import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { RunHead } from "../../../runtime/core/journal.ts";
import type { Turn } from "../../../runtime/core/turns.ts";
import { createTurns } from "../../../runtime/journal/turns.ts";
import { claimant, claimed } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one } = useJournals();

const LONG_MS = 60_000;

/** A tool of its own, and runs that want turns at it. */
async function scene(runs: number) {
  const woken: string[] = [];
  const turns = createTurns(one.database, (_agent, told) => woken.push(...told));
  const of = randomUUID();
  const heads = await Promise.all(Array.from({ length: runs }, async () => (await claimed(one.journal)).head));
  const wants = heads.map(({ run }): Turn => ({ of, run, effect: "e" }));
  return { of, turns, woken, heads, wants, take: (turn: Turn | undefined) => turns.take(the(turn), 1, LONG_MS) };
}

function the<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("There is none.");
  return value;
}

function park(head: RunHead | undefined): Promise<string> {
  return one.journal.append(the(head), [{ type: "run_parked", data: { waits: [] } }], {
    status: "parked",
    mailboxTaken: 0,
  }).durable;
}

async function statusOf(turn: Turn | undefined): Promise<string | undefined> {
  const [row] = await one.database.query<{ status: string }>("select status from runs where run_id = $1", [
    the(turn).run,
  ]);
  return row?.status;
}

/** Its time is over. */
async function pass(turn: Turn | undefined): Promise<void> {
  const { of, run } = the(turn);
  await one.database.query(
    "update turns set held_until = clock_timestamp() - interval '1 millisecond' where of = $1 and run_id = $2",
    [of, run],
  );
}

describe("turns", () => {
  test("given back - go to who has waited longest, whose run is woken, and nobody else's", async () => {
    const { turns, woken, heads, wants, take } = await scene(4);
    const [has, first, second, newcomer] = wants;
    expect(await take(has)).toBe(true);
    expect(await take(first)).toBe(false);
    expect(await take(second)).toBe(false);
    expect(await park(heads[1])).toBe("parked");
    expect(await park(heads[2])).toBe("parked");
    // Asking again keeps the place.
    expect(await take(first)).toBe(false);
    await turns.give(the(has));
    expect(woken).toEqual([the(first).run]);
    expect([await statusOf(first), await statusOf(second)]).toEqual(["ready", "parked"]);
    expect(await take(newcomer)).toBe(false);
    expect(await take(second)).toBe(false);
    expect(await take(first)).toBe(true);
    await turns.give(the(first));
    expect(await take(newcomer)).toBe(false);
    expect(await take(second)).toBe(true);
    await turns.give(the(second));
    expect(await take(newcomer)).toBe(true);
  });

  test("offered just before the run parks - it does not stay parked", async () => {
    const { turns, heads, wants, take } = await scene(2);
    const [has, waits] = wants;
    await take(has);
    expect(await take(waits)).toBe(false);
    await turns.give(the(has));
    expect(await park(heads[1])).toBe("ready");
  });

  test("kept - are not counted twice, and may be kept longer", async () => {
    const { wants, take } = await scene(2);
    const [has, waits] = wants;
    expect(await take(has)).toBe(true);
    expect(await take(waits)).toBe(false);
    expect(await take(has)).toBe(true);
  });

  test("of somebody who is gone - are handed out, and whoever is next is woken", async () => {
    const { turns, heads, wants, take, woken } = await scene(2);
    const [gone, waits] = wants;
    await take(gone);
    await take(waits);
    await park(heads[1]);
    await turns.handOut();
    expect(woken).toEqual([]);
    await pass(gone);
    await turns.handOut();
    expect(woken).toEqual([the(waits).run]);
    expect(await statusOf(waits)).toBe("ready");
    expect(await take(waits)).toBe(true);
  });

  test("that nobody comes for - go on to the next, and who comes late has kept its place", async () => {
    const { turns, heads, wants, take, woken } = await scene(4);
    const [has, late, second, third] = wants;
    for (const turn of [has, late, second, third]) await take(turn);
    for (const head of heads.slice(1)) await park(head);
    await turns.give(the(has));
    await pass(late);
    await turns.handOut();
    expect(woken).toEqual([the(late).run, the(second).run]);
    expect(await take(late)).toBe(false);
    expect(await take(second)).toBe(true);
    await turns.give(the(second));
    expect(await take(third)).toBe(false);
    expect(await take(late)).toBe(true);
  });

  test("are not offered to runs that have ended, or are to end", async () => {
    const { turns, heads, wants, take, woken } = await scene(4);
    const [has, ended, cancelled, waits] = wants;
    for (const turn of [has, ended, cancelled, waits]) await take(turn);
    await park(heads[3]);
    await one.journal.append(the(heads[1]), [{ type: "run_finished", data: { output: null } }], {
      status: "finished",
    }).durable;
    await one.journal.deliver(the(cancelled).run, { id: "c", kind: "cancel", data: {} });
    await turns.give(the(has));
    expect(woken).toEqual([the(waits).run]);
  });

  test("that a run does not wait for any more - do not keep the others waiting", async () => {
    const { turns, heads, wants, take, woken } = await scene(3);
    const [has, leaves, waits] = wants;
    for (const turn of [has, leaves, waits]) await take(turn);
    await park(heads[2]);
    await turns.give(the(leaves));
    await turns.give(the(has));
    expect(woken).toEqual([the(waits).run]);
  });

  test("of which the offer was made and nobody was told - are told of by whoever looks", async () => {
    const { of, turns, heads, wants, take, woken } = await scene(2);
    const [has, waits] = wants;
    await take(has);
    await take(waits);
    await park(heads[1]);
    // As a worker that dies between the two leaves it.
    await one.database.query("delete from turns where of = $1 and state = 'taken'", [of]);
    await one.database.query(
      "update turns set state = 'offered', held_until = clock_timestamp() + interval '1 minute' where of = $1",
      [of],
    );
    await turns.handOut();
    expect(woken).toEqual([the(waits).run]);
    await turns.handOut();
    expect(woken).toHaveLength(1);
  });

  test("asked for by many at once - are never more than there are, in the order of asking", async () => {
    const { turns, wants } = await scene(12);
    const AT_MOST = 3;
    const held: string[] = [];
    let most = 0;
    const asked: string[] = [];
    for (const turn of wants.slice(0, AT_MOST)) {
      expect(await turns.take(turn, AT_MOST, LONG_MS)).toBe(true);
      held.push(turn.run);
    }
    for (const turn of wants.slice(AT_MOST)) {
      expect(await turns.take(turn, AT_MOST, LONG_MS)).toBe(false);
      asked.push(turn.run);
    }
    const got: string[] = [];
    const waiting = new Set(wants.slice(AT_MOST));
    while (held.length > 0) {
      const back = held.splice(0, 2).map((run) => the(wants.find((turn) => turn.run === run)));
      await Promise.all(back.map((turn) => turns.give(turn)));
      const round = await Promise.all(
        [...waiting].map(async (turn) => ({ turn, mine: await turns.take(turn, AT_MOST, LONG_MS) })),
      );
      for (const { turn, mine } of round) {
        if (!mine) continue;
        waiting.delete(turn);
        held.push(turn.run);
        got.push(turn.run);
      }
      most = Math.max(most, held.length);
    }
    expect(most).toBe(AT_MOST);
    expect(got).toEqual(asked);
  });
});

test("a run that was woken for a turn and has parked again - is not woken for nothing ever after", async () => {
  const { turns, heads, wants, take } = await scene(2);
  const [has, waits] = wants;
  await take(has);
  await take(waits);
  await park(heads[1]);
  await turns.give(the(has));
  const [claim] = await one.journal.claim([the(waits).run], claimant("w2"));
  const { messages, upTo } = await one.journal.mailbox(the(waits).run);
  expect(messages).toEqual([]);
  const parked = one.journal.append(the(claim).head, [{ type: "run_parked", data: { waits: [] } }], {
    status: "parked",
    mailboxTaken: upTo,
  });
  expect(await parked.durable).toBe("parked");
  await turns.handOut();
  expect(await statusOf(waits)).toBe("parked");
});
