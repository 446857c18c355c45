import { isRepeatable } from "../../runtime/core/effects.ts";
import { ENDED_STATUSES, type JournalEvent, type RunStatus } from "../../runtime/core/events.ts";
import type { Database } from "../../runtime/core/database.ts";
import type { Bank } from "./bank.ts";
import type { ViolationKind } from "./case.ts";

/** Runs that have come to their end, and what is promised of them. */
export interface Promised {
  readonly books: {
    readonly database: Database;
    readonly journal: { readonly read: (run: string) => Promise<readonly JournalEvent[]> };
  };
  readonly bank: Pick<Bank, "acts" | "count" | "find" | "keysOf">;
  /** Each of them is the first of its session. */
  readonly runs: readonly { readonly run: string }[];
  readonly terms: {
    /** What runs may end as. Only where that is "finished" alone does everything have to have happened. */
    readonly ends: readonly RunStatus[];
  };
  /** What has to have happened outside, once each, by business id, and whose doing it is. */
  expected(): ReadonlyMap<string, { readonly run: string }>;
  /** Whether what happened under this business id is the doing of one of these runs. */
  owns(id: string): boolean;
  readonly violated: (kind: ViolationKind, what: string) => void;
}

interface RunRow {
  readonly run: string;
  readonly agent: string;
  readonly status: RunStatus;
}

export function runsOf({ books, runs }: Promised): Promise<RunRow[]> {
  return books.database.query<RunRow>(
    "select run_id as run, agent, status from runs where session_id = any($1::uuid[])",
    [runs.map(({ run }) => run)],
  );
}

/** What happened outside is what was to happen, once. */
export async function checkWorld(promised: Promised): Promise<void> {
  const { bank, terms } = promised;
  const expected = promised.expected();
  for (const { id } of bank.acts) {
    if (promised.owns(id) && !expected.has(id)) promised.violated("duplicated", `${id} happened and was not to`);
  }
  for (const [id, { run }] of expected) {
    const count = bank.count(id);
    if (count === 0 && terms.ends.every((end) => end === "finished"))
      promised.violated("lost", `${id} of ${run} never happened`);
    if (count > 1) promised.violated("duplicated", `${id} of ${run} happened ${String(count)} times`);
    const keys = bank.keysOf(id).size;
    if (keys > 1) promised.violated("duplicated", `${id} of ${run} was called under ${String(keys)} keys`);
  }
  for (const { run, agent, status } of await runsOf(promised)) {
    if (ENDED_STATUSES.includes(status) && !terms.ends.includes(status)) {
      promised.violated("lost", `${agent} ${run} is ${status}: ${await lastWordOf(promised, run)}`);
    }
  }
}

/** The last event of a run, in short. */
export async function lastWordOf({ books }: Pick<Promised, "books">, run: string): Promise<string> {
  const last = (await books.journal.read(run)).at(-1);
  return `${last?.type ?? "no event"} ${JSON.stringify(last?.data).slice(0, 400)}`;
}

/** Each call that may not be repeated and was started has its end on record, and it is the one that the bank knows. */
export async function checkCalls({ books, bank, violated }: Promised, run: string): Promise<void> {
  const events = await books.journal.read(run);
  const ends = new Map(events.flatMap(({ type, data }) => (type === "effect_finished" ? [[data.effect, data]] : [])));
  for (const { type, data } of events) {
    // What may be repeated may also be cut off: nobody finds out what became of it.
    if (type !== "effect_intended" || data.kind !== "tool" || isRepeatable(data.class)) continue;
    const end = ends.get(data.effect);
    const happened = bank.find(data.id) !== undefined;
    if (!end) violated("unverified", `${data.name} of ${run} has no end on record`);
    else if (end.outcome.ok !== happened) {
      const said = end.outcome.ok ? "happened" : "did not happen";
      violated("unverified", `the record of ${run} says that ${data.name} ${said}, and the bank says otherwise`);
    }
  }
}

interface ApprovalRow {
  readonly approval: string;
  readonly status: string;
  readonly used: boolean;
}

/** An approval is used up by its call, and by nothing else. */
export async function checkApprovals(promised: Promised): Promise<void> {
  const approvals = await promised.books.database.query<ApprovalRow>(
    `select a.approval_id as approval, a.status, exists (
       select 1 from events e where e.run_id = a.run_id and e.type = 'effect_intended'
         and e.data::json ->> 'approval' = a.approval_id::text) as used
     from approvals a where run_id = any($1::uuid[])`,
    [(await runsOf(promised)).map(({ run }) => run)],
  );
  for (const { approval, status, used } of approvals) {
    if (used !== (status === "consumed")) {
      const made = `its call was ${used ? "" : "not "}made`;
      promised.violated("unverified", `the approval ${approval} is ${status}, and ${made}`);
    }
  }
}

/** Every message was for somebody, and no harm that ends is a reason to give one up. */
export async function checkMail({ books, runs, violated }: Promised): Promise<void> {
  const dead = await books.database.query<{ what: string }>(
    `select o.kind || ' from ' || o.from_agent || ' to ' || o.to_agent || ': ' || d.reason || ', ' || d.detail as what
     from dead_letters d join outbox o using (msg_id) join runs r on r.run_id = o.from_run
     where r.session_id = any($1::uuid[])`,
    [runs.map(({ run }) => run)],
  );
  for (const { what } of dead) violated("lost", `a dead letter: ${what}`);
}
