import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { NewEvent } from "../../../runtime/core/events.ts";
import { verifyChain, type StoredEvent } from "../../../runtime/core/chain.ts";
import { openConnection } from "../../../runtime/journal/database.ts";
import { deliverIn } from "../../../runtime/journal/deliver.ts";
import { FencedError } from "../../../runtime/journal/errors.ts";
import { createHousekeeping } from "../../../runtime/journal/housekeeping.ts";
import {
  approvalRequest,
  claimant,
  claimAny,
  claimed,
  freeLeftBehind,
  newRun,
  openJournal,
  step,
} from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one, two, url } = useJournals();

const CLAIM = { worker: "w1", leaseMs: 60_000 };

async function stored(run: string): Promise<StoredEvent[]> {
  return one.database.query<StoredEvent>(
    `select run_id as run, seq, type, v, at, data, salt, encode(payload_hash, 'hex') as "payloadHash", encode(hash, 'hex') as hash
     from events where run_id = $1 order by seq`,
    [run],
  );
}

describe("appending", () => {
  test("events - come back as they were appended, chained, and in order", async () => {
    const { head } = await claimed(one.journal, { input: { text: "é\u0000\u2028", n: 1.5 } });
    await Promise.all(Array.from({ length: 50 }, (_, n) => one.journal.append(head, [step(n)]).durable));
    const events = await one.journal.read(head.run);
    expect(events.map((event) => event.seq)).toEqual(Array.from({ length: 51 }, (_, i) => i + 1));
    expect(events[0]?.data).toMatchObject({ input: { text: "é\u0000\u2028", n: 1.5 } });
    expect(verifyChain(await stored(head.run), head)).toBeNull();
    expect((await one.journal.read(head.run, 49)).map(({ seq, prev }) => [seq, prev])).toEqual(
      events.slice(49).map(({ seq, prev }) => [seq, prev]),
    );
  });

  test("a changed byte - is named by the chain", async () => {
    const { head } = await claimed(one.journal);
    await one.journal.append(head, [step(1), step(2), step(3)]).durable;
    await one.database.query("update events set data = replace(data, '\"n\":2', '\"n\":7') where run_id = $1", [
      head.run,
    ]);
    expect(verifyChain(await stored(head.run), head)).toEqual({ seq: 3, fault: "altered" });
  });

  test("a deleted, a cut and a swapped event - are named by the chain", async () => {
    const { head } = await claimed(one.journal);
    await one.journal.append(head, [step(1), step(2), step(3)]).durable;
    const events = await stored(head.run);
    expect(
      verifyChain(
        events.filter((event) => event.seq !== 2),
        head,
      ),
    ).toEqual({ seq: 2, fault: "missing" });
    expect(verifyChain(events.slice(0, 3), head)).toEqual({ seq: 4, fault: "missing" });
    const swapped = events.map((event) =>
      event.seq === 2
        ? { ...event, data: events[2]?.data ?? null }
        : event.seq === 3
          ? { ...event, data: events[1]?.data ?? null }
          : event,
    );
    expect(verifyChain(swapped, head)).toEqual({ seq: 2, fault: "altered" });
  });

  test("a payload over 256 KiB - goes to blobs and comes back whole", async () => {
    const { head } = await claimed(one.journal);
    const big = "x".repeat(300_000);
    await one.journal.append(head, [
      { type: "node_finished", data: { node: "0/a", name: "a", update: { big }, ms: 1 } },
    ]).durable;
    const [event] = await one.journal.read(head.run, 1);
    expect(event?.data).toMatchObject({ update: { big } });
    const rows = await stored(head.run);
    expect(rows[1]?.data?.length).toBeLessThan(200);
    expect(verifyChain(rows, head)).toBeNull();
  });

  test("a worker that lost its lease - is refused, and its neighbours in the same batch are not", async () => {
    const zombie = await claimed(one.journal, {}, 0);
    const other = await claimed(one.journal);
    await freeLeftBehind(two);
    const [taken] = await two.journal.claim([zombie.head.run], claimant("w2"));
    expect(taken?.head.epoch).toBe(2);
    const [late, fine] = await Promise.allSettled([
      one.journal.append(zombie.head, [step(1)]).durable,
      one.journal.append(other.head, [step(1)]).durable,
    ]);
    expect(late.status === "rejected" && late.reason).toBeInstanceOf(FencedError);
    expect(fine.status).toBe("fulfilled");
    await expect(one.journal.append(zombie.head, [step(2)]).durable).rejects.toBeInstanceOf(FencedError);
    expect(await one.journal.read(zombie.head.run)).toHaveLength(1);
  });

  test("a row that somebody else has locked - delays its own run only", async () => {
    const locked = await claimed(one.journal);
    const free = await claimed(one.journal);
    const foreign = await openConnection({ url: url() });
    await foreign.query("begin");
    await foreign.query("select 1 from runs where run_id = $1 for update", [locked.head.run]);
    let lockedDone = false;
    const waiting = one.journal.append(locked.head, [step(1)]).durable.then(() => {
      lockedDone = true;
    });
    await one.journal.append(free.head, [step(1)]).durable;
    await one.journal.append(free.head, [step(2)]).durable;
    expect(lockedDone).toBe(false);
    await foreign.query("commit");
    await waiting;
    expect(await one.journal.read(locked.head.run)).toHaveLength(2);
    await foreign.end();
  });

  test("an append that the database refuses - fails alone", async () => {
    const good = await claimed(one.journal);
    const bad = await claimed(one.journal);
    const results = await Promise.allSettled([
      one.journal.append(good.head, [step(1)]).durable,
      one.journal.append(bad.head, [step(1)], { views: [{ view: "approval_consumed", approval: randomUUID() }] })
        .durable,
    ]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected"]);
    expect(await one.journal.read(bad.head.run)).toHaveLength(1);
    expect(await one.journal.read(good.head.run)).toHaveLength(2);
  });

  test("a connection that breaks - loses nothing and doubles nothing", async () => {
    const { head } = await claimed(one.journal);
    const admin = await openConnection({ url: url() });
    for (let round = 0; round < 5; round++) {
      const appends = Array.from({ length: 20 }, (_, n) => one.journal.append(head, [step(n)]).durable);
      await admin.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'signalbox-journal'",
      );
      await Promise.all(appends);
    }
    await admin.end();
    expect(await one.journal.read(head.run)).toHaveLength(101);
    expect(verifyChain(await stored(head.run), head)).toBeNull();
  });
});

describe("leases", () => {
  test("a run - is created once for one id, whoever asks", async () => {
    const run = newRun();
    const results = await Promise.all([one.journal.create(run), two.journal.create(run), one.journal.create(run)]);
    expect(results.filter((claim) => claim !== null)).toHaveLength(1);
  });

  test("a start key - starts an agent once, whoever asks; another agent's is another one", async () => {
    const key = randomUUID();
    const asked = [newRun({ key }), newRun({ key, input: { other: true } }), newRun({ key })] as const;
    const tried = await Promise.all(asked.map((run, i) => (i % 2 ? one : two).journal.create(run, CLAIM)));
    const created = tried.flatMap((claim) => (claim ? [claim.head.run] : []));
    expect(created).toHaveLength(1);
    const input = asked.find(({ run }) => run === created[0])?.input;
    expect(await one.journal.startedWith(newRun().agent, key)).toEqual({ run: created[0], input });
    expect(await one.journal.startedWith("another", key)).toBeNull();
    expect(await one.journal.create(newRun({ key, agent: "another" }), CLAIM)).not.toBeNull();
    expect(await one.journal.create(newRun(), CLAIM)).not.toBeNull();
  });

  test("a ready run - is claimed by one of many", async () => {
    const run = newRun();
    await one.journal.create(run);
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, i) => (i % 2 ? one : two).journal.claim([run.run], claimant(`w${String(i)}`))),
    );
    expect(claims.flat()).toHaveLength(1);
  });

  test("a run whose lease holds - is not claimed; one whose lease expired is", async () => {
    const held = await claimed(one.journal);
    const lost = await claimed(one.journal, { agent: "lost" }, 0);
    expect(await two.journal.claim([held.head.run], claimant("w2"))).toEqual([]);
    await createHousekeeping(two.database).freeLeftBehind([lost.head.run]);
    expect(await two.journal.claimAny(claimAny("w2", ["lost"], 10))).toEqual([]);
    await freeLeftBehind(two);
    const any = await two.journal.claimAny(claimAny("w2", ["lost"], 10));
    expect(any.map((claim) => claim.head.run)).toEqual([lost.head.run]);
    const renewed = await one.journal.renew([held.head, lost.head], "w1", 60_000);
    expect([...renewed.held]).toEqual([held.head.run]);
  });
});

describe("trouble", () => {
  test("an input over 256 KiB - goes to blobs when the run is created, and comes back whole", async () => {
    const input = { big: "x".repeat(300_000) };
    const { head } = await claimed(one.journal, { input });
    const [started] = await one.journal.read(head.run);
    expect(started?.data).toMatchObject({ input });
    const rows = await stored(head.run);
    expect(rows[0]?.data?.length).toBeLessThan(200);
    expect(verifyChain(rows, head)).toBeNull();
    // The same content again, and the same run again, are no trouble.
    const again = newRun({ input });
    await one.journal.create(again);
    expect(await one.journal.create(again)).toBeNull();
  });

  test("an event that cannot be written - is refused before the head moves, and the run goes on", async () => {
    const { head } = await claimed(one.journal);
    const before = { ...head };
    const bad = { type: "node_finished", data: { node: "1/b", name: "b", update: { n: NaN }, ms: 1 } } as NewEvent;
    expect(() => one.journal.append(head, [step(1), bad])).toThrow("cannot be recorded");
    expect(head).toEqual(before);
    await one.journal.append(head, [step(2)]).durable;
    expect(await one.journal.read(head.run)).toHaveLength(2);
    expect(verifyChain(await stored(head.run), head)).toBeNull();
  });

  test("a row beside the events that somebody has locked - delays its own run, and is written in the end", async () => {
    const locked = await claimed(one.journal);
    const free = await claimed(one.journal);
    const doubt = { view: "doubt_raised", effect: "e", effectId: "i", tool: "t", input: {}, reason: "r" } as const;
    await one.journal.append(locked.head, [step(1)], { views: [doubt] }).durable;
    const foreign = await openConnection({ url: url() });
    await foreign.query("begin");
    await foreign.query("select 1 from doubts where run_id = $1 for update", [locked.head.run]);
    let lockedDone = false;
    const waiting = one.journal
      .append(locked.head, [step(2)], { views: [{ view: "doubt_resolved", effect: "e" }] })
      .durable.then(() => {
        lockedDone = true;
      });
    for (let n = 0; n < 5; n++) await one.journal.append(free.head, [step(n)]).durable;
    expect(lockedDone).toBe(false);
    await foreign.query("commit");
    await waiting;
    expect(await one.journal.read(locked.head.run)).toHaveLength(3);
    await foreign.end();
  });

  test("people who decide while the run ends - neither wait for it in a circle nor break it", async () => {
    for (let round = 0; round < 20; round++) {
      const { head } = await claimed(one.journal);
      const approval = randomUUID();
      await one.journal.append(head, [step(1)], { views: [approvalRequest(approval)] }).durable;
      const started = performance.now();
      // As a decision does: the approval first, then the run.
      const deciding = two.database.transaction(async (sql) => {
        await sql.query("select 1 from approvals where approval_id = $1 for update", [approval]);
        await new Promise((resolve) => setImmediate(resolve));
        await deliverIn(sql, head.run, { id: `decided:${approval}`, kind: "approval", data: "{}" });
      });
      const ending = one.journal.append(head, [{ type: "run_failed", data: { error: { name: "E", message: "m" } } }], {
        status: "failed",
        views: [{ view: "approvals_voided" }],
      }).durable;
      expect((await Promise.allSettled([deciding, ending])).map(({ status }) => status)).toEqual([
        "fulfilled",
        "fulfilled",
      ]);
      // Postgres would take a second to notice a circle.
      expect(performance.now() - started).toBeLessThan(900);
    }
  });

  test("a listener that throws - does not undo what is committed", async () => {
    await using listening = openJournal(url(), () => {
      throw new Error("nobody listens");
    });
    const { head } = await claimed(listening.journal);
    await listening.journal.append(head, [step(1)]).durable;
    await listening.journal.append(head, [step(2)]).durable;
    expect(await listening.journal.read(head.run)).toHaveLength(3);
  });
});
