import { randomUUID } from "node:crypto";
import { systemClock } from "../../runtime/core/clock.ts";
import type { Database } from "../../runtime/core/database.ts";
import type { JournalEvent, NewEvent } from "../../runtime/core/events.ts";
import type { Claim, Claimant, ClaimAny, NewRun, ViewWrite } from "../../runtime/core/journal.ts";
import { openDatabase } from "../../runtime/journal/database.ts";
import { createHousekeeping } from "../../runtime/journal/housekeeping.ts";
import { PostgresJournal } from "../../runtime/journal/journal.ts";
import { JournalWriter } from "../../runtime/journal/writer.ts";

/** A journal on a database, with the pool and the writer that it stands on. */
export interface JournalParts {
  readonly database: Database;
  readonly writer: JournalWriter;
  readonly journal: PostgresJournal;
}

export interface TestJournal extends JournalParts, AsyncDisposable {}

export function openJournal(url: string, onCommitted?: (events: readonly JournalEvent[]) => void): TestJournal {
  const database = openDatabase({ url });
  const writer = new JournalWriter({
    url,
    clock: systemClock,
    ...(onCommitted
      ? {
          onCommitted: (_heads, events) => {
            onCommitted(events);
          },
        }
      : {}),
  });
  return {
    database,
    writer,
    journal: new PostgresJournal({ database, writer, clock: systemClock }),
    async [Symbol.asyncDispose]() {
      await writer.close();
      await database.end();
    },
  };
}

/** What every worker does for those that are gone. */
export function freeLeftBehind({ database }: JournalParts): Promise<void> {
  return createHousekeeping(database).freeLeftBehind([]);
}

/** An event that any run may have: its n-th node has finished. */
export const step = (n: number): NewEvent => ({
  type: "node_finished",
  data: { node: `${String(n)}/a`, name: "a", update: { n }, ms: 1 },
});

export function newRun(changes: Partial<NewRun> = {}): NewRun {
  const run = changes.run ?? randomUUID();
  return {
    run,
    session: run,
    parent: null,
    agent: "refunds",
    // Tests claim by agents.
    version: changes.agent ?? "refunds",
    key: null,
    startedBy: { kind: "person", id: "ada" },
    depth: 0,
    input: {},
    ...changes,
  };
}

/** A worker that has these agents. */
export function claimant(worker: string, agents: readonly string[] = ["refunds"]): Claimant {
  return { worker, leaseMs: 60_000, versions: new Map(agents.map((agent) => [agent, agent])), take: "all" };
}

/** Claims whatever is due of these agents. */
export function claimAny(worker: string, agents: readonly string[], limit: number): ClaimAny {
  return { ...claimant(worker, agents), limit, olderThanMs: 0 };
}

/** A run that the worker "w1" holds. */
export async function claimed(
  journal: PostgresJournal,
  changes: Partial<NewRun> = {},
  leaseMs = 60_000,
): Promise<Claim> {
  const claim = await journal.create(newRun(changes), { worker: "w1", leaseMs });
  if (!claim) throw new Error("The run exists already.");
  return claim;
}

/** A call that waits for one person of the pool "finance". */
export function approvalRequest(
  approval: string,
  changes: Partial<Extract<ViewWrite, { view: "approval_requested" }>> = {},
): ViewWrite {
  return {
    view: "approval_requested",
    approval,
    effect: "e",
    tool: "t",
    toolVersion: "1",
    input: {},
    argsHash: "h",
    verdict: { decision: "require_approval", rules: [], reason: "r", ruleSet: "s" },
    pool: "finance",
    approvers: 1,
    startedBy: { kind: "person", id: "ada" },
    expiresAt: Date.now() + 60_000,
    ...changes,
  };
}
