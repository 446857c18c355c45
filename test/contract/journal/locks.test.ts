import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Claim, ViewWrite } from "../../../runtime/core/journal.ts";
import { openConnection } from "../../../runtime/journal/database.ts";
import { createHousekeeping } from "../../../runtime/journal/housekeeping.ts";
import { approvalRequest, claimant, claimAny, claimed, freeLeftBehind, newRun, step } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one, two, url } = useJournals();

/** Somebody who holds the rows of these runs, until the end of the block. */
async function holding(runs: readonly string[]): Promise<AsyncDisposable> {
  const connection = await openConnection({ url: url() });
  await connection.query("begin");
  await connection.query("select 1 from runs where run_id = any($1::uuid[]) for update", [runs]);
  return { [Symbol.asyncDispose]: () => connection.end() };
}

async function leaseOf(run: string): Promise<number> {
  const [row] = await one.database.query<{ until: Date }>("select lease_until as until from runs where run_id = $1", [
    run,
  ]);
  return row?.until.getTime() ?? 0;
}

describe("renewing leases", () => {
  test("while somebody holds one run's row - renews all others, and says of that one neither this nor that", async () => {
    const claims = await Promise.all(Array.from({ length: 4 }, () => claimed(one.journal, {}, 2_000)));
    const heads = claims.map(({ head }) => head);
    const [locked, ...others] = heads.map(({ run }) => run);
    if (locked === undefined) throw new Error("There is none.");
    const before = await Promise.all(others.map(leaseOf));
    {
      await using _somebody = await holding([locked]);
      const renewed = await one.journal.renew(heads, "w1", 6_000);
      expect([...renewed.held].sort()).toEqual([...others].sort());
      expect([...renewed.gone]).toEqual([]);
    }
    const after = await Promise.all(others.map(leaseOf));
    for (const [i, until] of after.entries()) expect(until).toBeGreaterThan(before[i] ?? Infinity);
    expect([...(await one.journal.renew(heads, "w1", 60_000)).held].sort()).toEqual([locked, ...others].sort());
  });

  test("of runs that somebody else has, or nobody any more - says so, also while their rows are held", async () => {
    const taken = await claimed(one.journal, {}, 0);
    const ended = await claimed(one.journal);
    await freeLeftBehind(two);
    await two.journal.claim([taken.head.run], claimant("w2"));
    const last = { type: "run_finished", data: { output: null } } as const;
    await one.journal.append(ended.head, [last], { status: "finished" }).durable;
    const heads = [taken.head, ended.head];
    const runs = heads.map(({ run }) => run);
    expect([...(await one.journal.renew(heads, "w1", 600)).gone].sort()).toEqual([...runs].sort());
    await using _somebody = await holding(runs);
    expect([...(await one.journal.renew(heads, "w1", 600)).gone].sort()).toEqual([...runs].sort());
  });

  test("of a run that appends all the time - is not put off by its own appends", async () => {
    const { head } = await claimed(one.journal);
    const stop = new AbortController();
    const appending = (async () => {
      for (let n = 0; !stop.signal.aborted; n++) {
        await one.journal.append(head, [step(n)], { views: [{ view: "doubt_resolved", effect: "none" }] }).durable;
      }
    })();
    for (let round = 0; round < 50; round++) {
      expect([...(await one.journal.renew([head], "w1", 60_000)).held]).toEqual([head.run]);
    }
    stop.abort();
    await appending;
  });
});

describe("claiming what is due", () => {
  test("while somebody holds the first in line - takes the next ones", async () => {
    const agent = "queues";
    const runs = Array.from({ length: 4 }, () => newRun({ agent }).run);
    for (const run of runs) await one.journal.create(newRun({ run, agent }));
    await using _somebody = await holding(runs.slice(0, 1));
    const got: string[] = [];
    for (let i = 0; i < 3; i++) {
      const claims = await two.journal.claimAny(claimAny("w2", [agent], 1));
      got.push(...claims.map(({ head }) => head.run));
    }
    expect(got).toEqual(runs.slice(1));
    expect(await two.journal.claimAny(claimAny("w2", [agent], 1))).toEqual([]);
  });

  test("while somebody holds a run whose worker has gone - takes the next one of those", async () => {
    const agent = "left-behind";
    const first = await claimed(one.journal, { agent }, 0);
    const second = await claimed(one.journal, { agent }, 0);
    await using _somebody = await holding([first.head.run]);
    await freeLeftBehind(two);
    const claims = await two.journal.claimAny(claimAny("w2", [agent], 1));
    expect(claims.map(({ head }) => head.run)).toEqual([second.head.run]);
  });

  test("with more than enough - takes no more than was asked for", async () => {
    const agent = "plenty";
    for (let i = 0; i < 5; i++) {
      await claimed(one.journal, { agent }, 0);
      await one.journal.create(newRun({ agent }));
    }
    await freeLeftBehind(two);
    expect(await two.journal.claimAny(claimAny("w2", [agent], 7))).toHaveLength(7);
    expect(await two.journal.claimAny(claimAny("w2", [agent], 7))).toHaveLength(3);
  });
});

describe("approvals whose time is over", () => {
  test("while somebody holds one run's row - expire for all other runs, and for that one later", async () => {
    const housekeeping = createHousekeeping(two.database);
    const approvals = [randomUUID(), randomUUID()].sort();
    const runs: string[] = [];
    for (const approval of approvals) {
      const { head } = await claimed(one.journal);
      runs.push(head.run);
      const views = [approvalRequest(approval, { expiresAt: Date.now() - 1_000 })];
      await one.journal.append(head, [step(1)], { views }).durable;
    }
    const statuses = async () =>
      (
        await one.database.query<{ status: string }>(
          "select status from approvals where approval_id = any($1) order by approval_id",
          [approvals],
        )
      ).map(({ status }) => status);
    {
      await using _somebody = await holding(runs.slice(0, 1));
      await housekeeping.expireApprovals();
      expect(await statuses()).toEqual(["pending", "expired"]);
    }
    await housekeeping.expireApprovals();
    expect(await statuses()).toEqual(["expired", "expired"]);
    for (const run of runs) expect((await one.journal.mailbox(run)).messages).toHaveLength(1);
  });

  test("that was approved in time - can still be used for its call, once", async () => {
    const { head } = await claimed(one.journal);
    const approval = randomUUID();
    await one.journal.append(head, [step(1)], { views: [approvalRequest(approval)] }).durable;
    await one.database.query(
      "update approvals set status = 'approved', expires_at = clock_timestamp() - interval '1 second' where approval_id = $1",
      [approval],
    );
    await createHousekeeping(two.database).expireApprovals();
    const consumed = { views: [{ view: "approval_consumed", approval }] } as const;
    expect(await one.journal.append(head, [step(2)], consumed).durable).toBe("running");
    await expect(one.journal.append(head, [step(3)], consumed).durable).rejects.toMatchObject({ code: "CONFLICT" });
  });
});

describe("one run twice in a batch", () => {
  test("claimed again by the process that lost it - what its former holder appends is refused, with all that belongs to it", async () => {
    const former = await claimed(one.journal, {}, 0);
    const doubt = { view: "doubt_raised", effect: "e", effectId: "i", tool: "t", input: {}, reason: "r" } as const;
    await freeLeftBehind(two);
    const [now] = await one.journal.claim([former.head.run], claimant("w1"));
    if (!now) throw new Error("It could not be claimed again.");
    const appends = await Promise.allSettled([
      one.journal.append(former.head, [], { views: [doubt] }).durable,
      one.journal.append(now.head, [step(1)]).durable,
    ]);
    expect(appends).toMatchObject([
      { status: "rejected", reason: { code: "FENCED" } },
      { status: "fulfilled", value: "running" },
    ]);
    expect(await one.database.query("select 1 from doubts where run_id = $1", [former.head.run])).toEqual([]);
    expect(await one.journal.read(former.head.run)).toHaveLength(2);
  });
});

test("two writers that cancel each other's children - keep nobody waiting", async () => {
  const rounds: number[] = [];
  for (let round = 0; round < 30; round++) {
    // Each parent with a child that the other writer is appending to.
    const [parent1, parent2, child1, child2] = await Promise.all([
      claimed(one.journal),
      claimed(two.journal),
      claimed(two.journal),
      claimed(one.journal),
    ]);
    const cancelled = (child: Claim): ViewWrite => ({
      view: "child_cancelled",
      child: child.head.run,
      ask: randomUUID(),
      by: { kind: "agent", id: "a" },
      reason: "r",
      cause: { run: child.head.run, seq: 1, hash: "h" },
    });
    const startedMs = performance.now();
    const statuses = await Promise.all([
      one.journal.append(parent1.head, [step(1)], { views: [cancelled(child1)] }).durable,
      one.journal.append(child2.head, [step(1)]).durable,
      two.journal.append(parent2.head, [step(1)], { views: [cancelled(child2)] }).durable,
      two.journal.append(child1.head, [step(1)]).durable,
    ]);
    rounds.push(performance.now() - startedMs);
    expect(statuses).toEqual(["running", "running", "running", "running"]);
    for (const { head } of [child1, child2]) expect((await one.journal.mailbox(head.run)).messages).toHaveLength(1);
  }
  // Usually none waits as long as a row may be waited for (250 ms); a busy machine may have its reasons.
  expect(rounds.sort((a, b) => a - b)[15]).toBeLessThan(150);
});
