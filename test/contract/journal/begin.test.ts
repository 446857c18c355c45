import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { verifyChain, type StoredEvent } from "../../../runtime/core/chain.ts";
import { systemClock } from "../../../runtime/core/clock.ts";
import type { NewEvent, RunStatus } from "../../../runtime/core/events.ts";
import type { AppendOptions, BegunClaim, NewRun } from "../../../runtime/core/journal.ts";
import { openConnection } from "../../../runtime/journal/database.ts";
import { FencedError } from "../../../runtime/journal/errors.ts";
import { PostgresJournal } from "../../../runtime/journal/journal.ts";
import { JournalWriter } from "../../../runtime/journal/writer.ts";
import { HeldCommitProxy } from "../../support/held-commit-proxy.ts";
import {
  approvalRequest,
  claimant,
  claimed,
  freeLeftBehind,
  newRun,
  openJournal,
  step,
  type JournalParts,
} from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one, two, url } = useJournals();

const CLAIM = { worker: "w1", leaseMs: 60_000 };
const FINISHED: NewEvent = { type: "run_finished", data: { output: { done: true } } };
const PARKED: NewEvent = { type: "run_parked", data: { waits: [{ kind: "timer", effect: "e", dueAt: 1e12 }] } };
const BIG = "x".repeat(300_000);
const LINGER = { linger: true } as const;

function begin(changes: Partial<NewRun> = {}, { journal }: JournalParts = one): BegunClaim {
  return journal.begin(newRun(changes), CLAIM);
}

/** Everything of a run's row that does not tell one run or moment from another. */
async function row(run: string): Promise<Record<string, unknown> | undefined> {
  const [found] = await one.database.query<Record<string, unknown>>(
    `select session_id = run_id as root, parent_id, agent, agent_version, start_key, starter_kind, starter_id, depth, status,
       epoch, head_seq, mailbox_seq, mailbox_taken, lease_owner,
       lease_until between clock_timestamp() + interval '50 seconds' and clock_timestamp() + interval '60 seconds' as leased,
       case when isfinite(ready_at) then 'finite' else ready_at::text end as ready_at, wake_at, waits,
       ended_at is not null as ended, stop_at, crashes, solo_crashes, alone,
       started_at = (select at from events e where e.run_id = runs.run_id and seq = 1) as started
     from runs where run_id = $1`,
    [run],
  );
  return found;
}

async function isWhole({ head }: Pick<BegunClaim, "head">): Promise<boolean> {
  const rows = await one.database.query<StoredEvent>(
    `select run_id as run, seq, type, v, at, data, salt, encode(payload_hash, 'hex') as "payloadHash", encode(hash, 'hex') as hash
     from events where run_id = $1 order by seq`,
    [head.run],
  );
  return rows.length === head.seq && verifyChain(rows, head) === null;
}

describe("a run that begins on its worker", () => {
  const cases: readonly (readonly [string, readonly NewEvent[], AppendOptions])[] = [
    ["that does nothing yet", [], {}],
    ["that goes on", [step(1), step(2)], {}],
    ["that finishes", [step(1), FINISHED], { status: "finished", mailboxTaken: 0 }],
    [
      "that parks",
      [step(1), PARKED],
      { status: "parked", waits: [{ kind: "timer", effect: "e", dueAt: 1e12 }], wakeAt: 1e12, mailboxTaken: 0 },
    ],
  ];
  test.each(cases)("%s - is stored as one that is created first", async (_name, events, options) => {
    const stopAt = { deadline: 4e12 };
    const created = await claimed(one.journal, stopAt);
    const begun = begin(stopAt);
    const reached: (RunStatus | undefined)[] = [];
    for (const { head } of [created, begun]) {
      const durable = events.map((event, i) =>
        one.journal.append(head, [event], i === events.length - 1 ? options : LINGER),
      );
      reached.push(await durable.at(-1)?.durable);
    }
    await begun.recorded;
    expect(reached[1]).toBe(reached[0]);
    expect(await row(begun.head.run)).toEqual(await row(created.head.run));
    expect(await isWhole(begun)).toBe(true);
    const [first] = await one.journal.read(begun.head.run);
    expect(first).toEqual(begun.events[0]);
  });

  test("its claim - says what one on a run that was just created says", async () => {
    const asked = newRun({ input: { n: 1 }, timeoutMs: 1_000, deadline: 4e12 });
    await one.journal.create({ ...asked, timeoutMs: undefined });
    const [claim] = await one.journal.claim([asked.run], claimant("w1"));
    const begun = begin({ input: { n: 1 } });
    await begun.recorded;
    expect({ ...begun, head: 0, deadlineMs: 0, claimedAt: 0, events: 0, recorded: 0 }).toEqual({
      ...claim,
      head: 0,
      deadlineMs: 0,
      claimedAt: 0,
      events: 0,
      recorded: 0,
    });
    const timed = begin({ timeoutMs: 1_000, deadline: 4e12 });
    const { deadline } = timed.events[0]?.data as { deadline: number };
    expect(deadline - timed.claimedAt.epochMs).toBeGreaterThanOrEqual(1_000);
    expect(deadline - timed.claimedAt.epochMs).toBeLessThan(1_100);
  });

  test("with payloads for blobs and rows beside its events - has them all", async () => {
    const begun = begin({ input: { big: BIG } });
    const approval = randomUUID();
    await one.journal.append(
      begun.head,
      [{ type: "node_finished", data: { node: "0/a", name: "a", update: { big: `${BIG}y` }, ms: 1 } }],
      { views: [approvalRequest(approval)] },
    ).durable;
    const events = await one.journal.read(begun.head.run);
    expect(events[0]?.data).toMatchObject({ input: { big: BIG } });
    expect(events[1]?.data).toMatchObject({ update: { big: `${BIG}y` } });
    expect(await one.database.query("select run_id from approvals where approval_id = $1", [approval])).toEqual([
      { run_id: begun.head.run },
    ]);
    expect(await isWhole(begun)).toBe(true);
  });

  test("many at once, among the appends of others - each stands alone", async () => {
    const zombie = await claimed(one.journal, {}, 0);
    await freeLeftBehind(two);
    await two.journal.claim([zombie.head.run], claimant("w2"));
    const old = await Promise.all(Array.from({ length: 20 }, () => claimed(one.journal)));
    const begun = Array.from({ length: 20 }, () => begin());
    const bad = begin();
    const refused = one.journal.append(bad.head, [step(1)], {
      views: [{ view: "approval_consumed", approval: randomUUID() }],
    }).durable;
    const late = one.journal.append(zombie.head, [step(1)]).durable;
    const ended = [...old, ...begun].map(({ head }) =>
      one.journal.append(head, [step(1), FINISHED], { status: "finished" }),
    );
    expect(await Promise.all(ended.map(({ durable }) => durable))).toEqual(Array(40).fill("finished"));
    await expect(refused).rejects.toThrow("is not there to be used");
    await expect(bad.recorded).rejects.toThrow("is not there to be used");
    await expect(late).rejects.toBeInstanceOf(FencedError);
    expect(await row(bad.head.run)).toBeUndefined();
    for (const claim of [...old, ...begun]) expect(await isWhole(claim)).toBe(true);
  });

  test("what it appends after it could not be recorded - is refused, and it never was", async () => {
    const begun = begin({ startedBy: { kind: "person", id: "a\u0000b" } });
    await expect(begun.recorded).rejects.toThrow();
    await expect(one.journal.append(begun.head, [step(1)]).durable).rejects.toThrow();
    expect(await one.journal.read(begun.head.run)).toEqual([]);
    // There is nothing to give back.
    await one.journal.release(begun.head);
  });

  test("a connection that breaks - loses none of them and doubles none", async () => {
    const admin = await openConnection({ url: url() });
    for (let round = 0; round < 5; round++) {
      const begun = Array.from({ length: 10 }, () => begin());
      const ended = begun.map(({ head }) => one.journal.append(head, [step(1), FINISHED], { status: "finished" }));
      await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'signalbox-journal'",
      );
      await Promise.all(ended.map(({ durable }) => durable));
      for (const claim of begun) expect(await isWhole(claim)).toBe(true);
    }
    await admin.end();
  });

  test("a commit whose answer is lost - is found, with what was appended meanwhile", async () => {
    await using proxy = await HeldCommitProxy.start(url());
    await using cut = openJournal(proxy.url);
    proxy.holdNextCommit("cut");
    const begun = begin({ input: { big: BIG } }, cut);
    const first = cut.journal.append(begun.head, [step(1)]).durable;
    await proxy.held;
    const next = cut.journal.append(begun.head, [step(2), FINISHED], { status: "finished" }).durable;
    await proxy.deliver();
    await begun.recorded;
    // By then the rest was written as well.
    expect(["running", "finished"]).toContain(await first);
    expect(await next).toBe("finished");
    expect(await isWhole(begun)).toBe(true);
  });

  test("a commit whose answer is lost, after which another worker went on - is recorded, and the rest is refused", async () => {
    await using proxy = await HeldCommitProxy.start(url());
    await using cut = openJournal(proxy.url);
    proxy.holdNextCommit("cut");
    const begun = cut.journal.begin(newRun({ input: { big: BIG } }), { worker: "w1", leaseMs: 0 });
    const first = cut.journal.append(begun.head, [step(1)]).durable;
    await proxy.held;
    await proxy.deliver();
    await freeLeftBehind(two);
    const [other] = await two.journal.claim([begun.head.run], claimant("w2"));
    if (!other) throw new Error("It was not claimed.");
    await two.journal.append(other.head, [step(2)]).durable;
    await begun.recorded;
    // Its first append is there; what comes after it is not this worker's any more.
    await expect(first.then(() => cut.journal.append(begun.head, [step(3)]).durable)).rejects.toBeInstanceOf(
      FencedError,
    );
    expect((await one.journal.read(begun.head.run)).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  test("its lease - is not taken for lost before its row is there", async () => {
    await using proxy = await HeldCommitProxy.start(url());
    await using slow = openJournal(proxy.url);
    const there = await claimed(slow.journal);
    proxy.holdNextCommit("cut");
    const begun = begin({ input: { big: BIG } }, slow);
    const first = slow.journal.append(begun.head, [step(1)]).durable;
    await proxy.held;
    const renewed = await one.journal.renew([there.head], "w1", 60_000);
    expect([...renewed.held]).toEqual([there.head.run]);
    const during = await slow.journal.renew([begun.head, there.head], "w1", 60_000);
    expect([[...during.held], [...during.gone]]).toEqual([[there.head.run], []]);
    expect([...(await slow.journal.renew([begun.head], "w1", 60_000)).gone]).toEqual([]);
    await proxy.deliver();
    await first;
    await begun.recorded;
    expect([...(await slow.journal.renew([begun.head], "w1", 60_000)).held]).toEqual([begun.head.run]);
  });

  test("given back before it is there - is ready as soon as it is", async () => {
    const begun = begin();
    await one.journal.release(begun.head);
    expect(await row(begun.head.run)).toMatchObject({ status: "ready", lease_owner: null, ready_at: "finite" });
  });
});

describe("what nobody waits for", () => {
  /** The transactions in which the events of these runs came, in the order of their rows. */
  const commitsOf = async (runs: readonly string[]): Promise<number> =>
    new Set(
      (
        await one.database.query<{ x: string }>("select xmin::text as x from events where run_id = any($1)", [runs])
      ).map(({ x }) => x),
    ).size;

  /** A journal whose clock a test moves on. */
  function still() {
    const clock = { now: () => systemClock.now(), monotonicMs: () => clock.ms, ms: 1_000 };
    const writer = new JournalWriter({ url: url(), clock });
    const journal = new PostgresJournal({ database: one.database, writer, clock });
    return { ...one, clock, writer, journal, [Symbol.asyncDispose]: () => writer.close() };
  }

  test("a run that only reads - is one statement with its end, as are others that end with it", async () => {
    await using calm = still();
    const begun = Array.from({ length: 5 }, () => begin({}, calm));
    for (let n = 0; n < 5; n++) {
      for (const { head } of begun) calm.journal.append(head, [step(n)], LINGER);
      // Turns of the event loop, each of which would have started a commit.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const ends = begun.map(({ head }) => calm.journal.append(head, [FINISHED], { status: "finished" }).durable);
    await Promise.all(ends);
    expect(await commitsOf(begun.map(({ head }) => head.run))).toBe(1);
  });

  test("an append that somebody waits for - takes its own run's along, and leaves the others", async () => {
    await using calm = still();
    const mine = begin({}, calm);
    const other = begin({}, calm);
    await calm.journal.append(mine.head, [step(1)]).durable;
    expect(await commitsOf([mine.head.run])).toBe(1);
    expect(await row(other.head.run)).toBeUndefined();
    calm.clock.ms += 1_000;
    await other.recorded;
    expect(await commitsOf([mine.head.run, other.head.run])).toBe(2);
  });

  test("alone - is written all the same, also where it is much", async () => {
    const alone = begin();
    await one.journal.append(alone.head, [step(1)], LINGER).durable;
    await using calm = still();
    const { head } = begin({}, calm);
    const many = Array.from({ length: 999 }, (_, n) => calm.journal.append(head, [step(n)], LINGER).durable);
    await Promise.all(many);
    const large = begin({ input: { big: "x".repeat(1_000_000) } }, calm);
    await large.recorded;
    for (const claim of [alone, { head }, large]) expect(await isWhole(claim)).toBe(true);
  });

  test("a writer that closes - writes it first", async () => {
    const { database, writer, journal } = openJournal(url());
    const begun = journal.begin(newRun(), CLAIM);
    journal.append(begun.head, [step(1)], LINGER);
    await writer.close();
    await database.end();
    expect(await isWhole(begun)).toBe(true);
  });
});
