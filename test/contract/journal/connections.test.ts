import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { decide } from "../../../runtime/approvals/decide.ts";
import { verifyChain, type StoredEvent } from "../../../runtime/core/chain.ts";
import { deferred } from "../../../runtime/core/deferred.ts";
import { openConnection } from "../../../runtime/journal/database.ts";
import { deliverIn } from "../../../runtime/journal/deliver.ts";
import { HeldCommitProxy } from "../../support/held-commit-proxy.ts";
import {
  approvalRequest,
  claimant,
  claimAny,
  claimed,
  freeLeftBehind,
  openJournal,
  step,
} from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";
import { OLGA } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";

const { one, two, url } = useJournals();

/** A row beside the events, so that the append is a transaction of several statements; it changes nothing. */
const VIEWS = { views: [{ view: "doubt_resolved", effect: "none" }] } as const;

/** Ends a connection's backend, and waits until the server has. */
async function terminate(pid: number): Promise<void> {
  await one.database.query("select pg_terminate_backend($1)", [pid]);
  await until(
    async () => (await one.database.query("select 1 from pg_stat_activity where pid = $1", [pid])).length === 0,
  );
}

describe("a connection of the pool", () => {
  test("that breaks between two statements of a transaction - fails the transaction, and nothing else", async () => {
    for (let round = 0; round < 3; round++) {
      const transaction = two.database.transaction(async (sql) => {
        const [self] = await sql.query<{ pid: number }>("select pg_backend_pid() as pid");
        await terminate(self?.pid ?? 0);
        await sql.query("select 1");
      });
      await expect(transaction).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
      expect(await two.database.transaction((sql) => sql.query("select 1 as ok"))).toEqual([{ ok: 1 }]);
    }
  });

  test("that breaks in the middle of a statement - fails the transaction, and nothing else", async () => {
    const backend = deferred<number>();
    const transaction = two.database.transaction(async (sql) => {
      const [self] = await sql.query<{ pid: number }>("select pg_backend_pid() as pid");
      const sleeping = sql.query("select pg_sleep(60)");
      backend.resolve(self?.pid ?? 0);
      await sleeping;
    });
    const failed = expect(transaction).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    const pid = await backend.promise;
    await until(
      async () =>
        (await one.database.query("select 1 from pg_stat_activity where pid = $1 and query like '%pg_sleep%'", [pid]))
          .length > 0,
    );
    await terminate(pid);
    await failed;
    expect(await two.database.query("select 1 as ok")).toEqual([{ ok: 1 }]);
  });
});

describe("a commit", () => {
  test("whose answer is lost and that arrives after the reconnect - is found in the journal, with what follows it", async () => {
    await using proxy = await HeldCommitProxy.start(url());
    const told: number[] = [];
    await using late = openJournal(proxy.url, (events) => told.push(...events.map((event) => event.seq)));
    const { head } = await claimed(one.journal);
    await late.journal.append(head, [step(1)], VIEWS).durable;
    proxy.holdNextCommit("cut");
    const asked = late.journal.append(head, [step(2), step(3)], VIEWS).durable;
    await proxy.held;
    const next = late.journal.append(head, [step(4)]).durable;
    // It has connected again, and sent what it had no answer to: now the first commit arrives.
    await proxy.passes("with batch as");
    await proxy.deliver();
    expect(await Promise.all([asked, next])).toEqual(["running", "running"]);
    await late.journal.append(head, [step(5)]).durable;
    const stored = await one.database.query<StoredEvent>(
      `select run_id as run, seq, type, v, at, data, salt, encode(payload_hash, 'hex') as "payloadHash", encode(hash, 'hex') as hash
       from events where run_id = $1 order by seq`,
      [head.run],
    );
    expect(stored.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(verifyChain(stored, head)).toBeNull();
    expect(told).toEqual([2, 3, 4, 5, 6]);
  });
});

describe.concurrent("a process that freezes in the middle of a transaction", () => {
  test("while it writes - loses the run to another worker all the same", async () => {
    await using proxy = await HeldCommitProxy.start(url());
    await using frozen = openJournal(proxy.url);
    const { head } = await claimed(one.journal, { agent: "frozen" }, 0);
    proxy.holdNextCommit("freeze");
    const refused = expect(frozen.journal.append(head, [step(1)], VIEWS).durable).rejects.toMatchObject({
      code: "FENCED",
    });
    await proxy.held;
    const claim = async () => {
      await freeLeftBehind(two);
      return two.journal.claimAny(claimAny("w2", ["frozen"], 10));
    };
    expect(await claim()).toEqual([]);
    await until(async () => (await claim()).length > 0);
    // When it wakes up, it is told.
    await refused;
    expect(await one.journal.read(head.run)).toHaveLength(1);
  });

  test("while it holds a run's row - keeps neither a message nor a claim waiting for ever", async () => {
    const { head } = await claimed(one.journal);
    await one.journal.release(head);
    const thaw = deferred<undefined>();
    const locked = deferred<undefined>();
    const standing = two.database.transaction(async (sql) => {
      await sql.query("select 1 from runs where run_id = $1 for update", [head.run]);
      locked.resolve(undefined);
      await thaw.promise;
    });
    const failed = expect(standing).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
    await locked.promise;
    const [delivered, claims] = await Promise.all([
      one.journal.deliver(head.run, { id: "m", kind: "cancel", data: {} }),
      one.journal.claim([head.run], claimant("w2")),
    ]);
    expect(delivered.delivered).toBe(true);
    expect(claims).toHaveLength(1);
    thaw.resolve(undefined);
    await failed;
  });

  test("a row that a stranger holds on to - is an error that says to try again", async () => {
    const [told, held] = [await claimed(one.journal), await claimed(one.journal)];
    const approval = randomUUID();
    await one.journal.append(held.head, [step(1)], { views: [approvalRequest(approval)] }).durable;
    const stranger = await openConnection({ url: url() });
    await stranger.query("begin");
    await stranger.query("select 1 from runs where run_id = any($1) for update", [[told.head.run, held.head.run]]);
    const decision = { approval, decision: "approve", reason: "", argsHash: "h" } as const;
    const context = { database: two.database, deliver: deliverIn };
    const tried = await Promise.allSettled([
      one.journal.deliver(told.head.run, { id: "m", kind: "cancel", data: {} }),
      decide(context, OLGA, decision),
    ]);
    const busy = { status: "rejected", reason: { code: "DATABASE_BUSY", disposition: "retry" } };
    expect(tried).toMatchObject([busy, busy]);
    await stranger.query("rollback");
    await stranger.end();
    // Nothing of it was kept, so it can be done again.
    expect(await decide(context, OLGA, decision)).toMatchObject({ run: held.head.run });
  });
});
