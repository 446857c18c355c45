import type { Clock } from "../core/clock.ts";
import { eventHash, GENESIS, payloadHash } from "../core/chain.ts";
import type { Sql } from "../core/database.ts";
import { EVENT_VERSION, type EventData } from "../core/events.ts";
import type { BegunClaim, Claim, NewRun, RunHead } from "../core/journal.ts";
import { hexToBytes, storedPayload } from "./payload.ts";
import { CREATE_RUN, NOW } from "./sql.ts";
import type { JournalWriter } from "./writer.ts";

/** Creates a run, in the caller's transaction where there is one; see {@link Journal.create}. */
export async function createRun(
  sql: Sql,
  clock: Clock,
  run: NewRun,
  claimFor?: { readonly worker: string; readonly leaseMs: number },
): Promise<Claim | null> {
  const askedAtMs = clock.monotonicMs();
  const at = Math.trunc(clock.now());
  const deadline = await deadlineOf(sql, clock, run);
  const { text, blob } = storedPayload(startedData(run, deadline));
  const hash = eventHash(
    { run: run.run, seq: 1, type: "run_started", v: EVENT_VERSION, at },
    GENESIS,
    payloadHash(text, null),
  );
  const [created] = await sql.query<{ claimed_at: number }>(
    CREATE_RUN,
    [
      run.run,
      run.session,
      run.parent,
      run.agent,
      run.version ?? "",
      run.key,
      run.startedBy.kind,
      run.startedBy.id,
      run.depth,
      hexToBytes(hash),
      at,
      claimFor?.worker ?? null,
      claimFor?.leaseMs ?? null,
      EVENT_VERSION,
      text,
      blob ? hexToBytes(blob.hash) : null,
      blob?.text ?? null,
      deadline === null ? null : new Date(deadline),
      run.cause?.message ?? run.message?.message ?? null,
    ],
    "create_run",
  );
  if (!created) return null;
  return {
    head: {
      run: run.run,
      session: run.session,
      agent: run.agent,
      epoch: claimFor ? 1 : 0,
      seq: 1,
      hash,
    },
    version: run.version ?? "",
    startedBy: run.startedBy,
    depth: run.depth,
    parent: run.parent,
    deadlineMs: askedAtMs + (claimFor?.leaseMs ?? 0),
    claimedAt: { epochMs: created.claimed_at, monotonicMs: clock.monotonicMs() },
    soloCrashes: 0,
  };
}

/** Begins a run, which the writer records together with what it does first; see {@link Journal.begin}. */
export function beginRun(
  writer: JournalWriter,
  clock: Clock,
  run: NewRun,
  { worker, leaseMs, linger }: { readonly worker: string; readonly leaseMs: number; readonly linger: boolean },
): BegunClaim {
  const monotonicMs = clock.monotonicMs();
  const epochMs = Math.trunc(clock.now());
  const deadline = deadlineAt(run, clock.now());
  const head: RunHead = { run: run.run, session: run.session, agent: run.agent, epoch: 1, seq: 0, hash: GENESIS };
  const started = { type: "run_started", data: startedData(run, deadline) } as const;
  const { events, recorded } = writer.begin(head, started, { run, deadline, worker, leaseMs, linger });
  return {
    // What is appended next moves it on.
    head,
    version: run.version ?? "",
    startedBy: run.startedBy,
    depth: run.depth,
    parent: run.parent,
    // The lease that Postgres grants begins when the run gets there, so it can only end later.
    deadlineMs: monotonicMs + leaseMs,
    claimedAt: { epochMs, monotonicMs },
    soloCrashes: 0,
    emptyUpTo: 0,
    events,
    recorded,
  };
}

function startedData(run: NewRun, deadline: number | null): EventData<"run_started"> {
  return {
    session: run.session,
    agent: run.agent,
    ...(run.version === null ? {} : { version: run.version }),
    input: run.input,
    startedBy: run.startedBy,
    depth: run.depth,
    ...(run.key === null ? {} : { key: run.key }),
    ...(run.cause ? { cause: run.cause } : {}),
    ...(deadline === null ? {} : { deadline }),
    ...(run.message ? { message: run.message } : {}),
    ...(run.labels && run.labels.length > 0 ? { labels: [...run.labels] } : {}),
    ...(run.budget === undefined || run.budget === null ? {} : { budget: run.budget }),
  };
}

/** It is part of what is hashed, so it has to be known before the row is written. */
async function deadlineOf(sql: Sql, clock: Clock, run: NewRun): Promise<number | null> {
  if (run.timeoutMs === undefined) return run.deadline ?? null;
  const [row] = await sql.query<{ now: number }>(NOW, [], "now");
  return deadlineAt(run, row?.now ?? clock.now());
}

function deadlineAt({ deadline = null, timeoutMs }: NewRun, now: number): number | null {
  return timeoutMs === undefined ? deadline : Math.min(deadline ?? Infinity, Math.ceil(now + timeoutMs));
}
