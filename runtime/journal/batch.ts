import { canonicalJson } from "../core/canonical.ts";
import type { LazyDeferred } from "../core/deferred.ts";
import type { JournalEvent, RunStatus } from "../core/events.ts";
import type { AppendOptions, NewRun, RunHead, ViewWrite } from "../core/journal.ts";
import { APPEND, APPEND_CREATING } from "./sql.ts";

/** The row of a run that is created together with what it does first. */
export interface Creation {
  readonly run: NewRun;
  /** Epoch ms. */
  readonly deadline: number | null;
  readonly worker: string;
  readonly leaseMs: number;
}

/** One event as it goes into the batch's columns. */
export interface Row {
  readonly event: JournalEvent;
  readonly text: string;
}

export interface Item {
  readonly head: RunHead;
  /** The head as it was before this append. */
  readonly fromSeq: number;
  readonly fromHash: string;
  /** Of the first append of a run that is created by it. */
  readonly creation: Creation | null;
  /** When it is to be written at the latest: monotonic ms. */
  readonly dueMs: number;
  readonly rows: readonly Row[];
  readonly blobs: readonly { readonly hash: string; readonly text: string }[];
  readonly options: AppendOptions;
  readonly views: readonly ViewWrite[];
  readonly settle: LazyDeferred<RunStatus>;
}

/** All outstanding appends of one run: they become one compare-and-set. */
export interface Group {
  readonly head: RunHead;
  readonly items: Item[];
}

/** One statement for all appends of a batch. */
export function appendOf(groups: readonly Group[]): {
  readonly text: string;
  readonly values: unknown[];
  readonly name: string;
} {
  const values = columns(groups);
  const creations = groups.map(creationOf).filter((creation) => creation !== null);
  if (creations.length === 0) return { text: APPEND, values, name: "append" };
  return { text: APPEND_CREATING, values: [...values, ...creationColumns(creations)], name: "append_creating" };
}

/** Null where the group's run is there. */
export function creationOf({ items: [first] }: Group): readonly [Item, Creation] | null {
  return first?.creation ? [first, first.creation] : null;
}

function creationColumns(creations: readonly (readonly [Item, Creation])[]): unknown[] {
  const columns: unknown[][] = Array.from({ length: 12 }, () => []);
  for (const [{ rows }, { run, deadline, worker, leaseMs }] of creations) {
    [
      run.run,
      run.session,
      run.parent,
      run.agent,
      run.version ?? "",
      run.startedBy.kind,
      run.startedBy.id,
      run.depth,
      rows[0]?.event.at,
      deadline === null ? null : new Date(deadline),
      worker,
      leaseMs,
    ].forEach((cell, i) => columns[i]?.push(cell));
  }
  return columns;
}

/**
 * The columns of the heads and of the events, as Postgres reads them: what stands in them needs no escaping, except the
 * waits, so it is put together here, in one pass, and payloads are sent as lines. Canonical JSON holds no line break.
 */
function columns(groups: readonly Group[]): unknown[] {
  const heads: Cell[][] = [[], [], [], [], [], [], [], [], []];
  const waiting: (string | null)[] = [];
  const events: Cell[][] = [[], [], [], [], [], []];
  const payloads: string[] = [];
  for (const group of groups) {
    const first = group.items[0];
    if (!first) continue;
    const { status, waits, wakeAt, mailboxTaken } = merged(group);
    const last = group.items.at(-1)?.rows.at(-1)?.event;
    push(
      heads,
      group.head.run,
      group.head.epoch,
      first.fromSeq,
      bytes(first.fromHash),
      last?.seq ?? first.fromSeq,
      bytes(last?.hash ?? first.fromHash),
      status ?? null,
      wakeAt === undefined || wakeAt === null ? null : new Date(wakeAt).toISOString(),
      mailboxTaken ?? null,
    );
    waiting.push(waits === undefined ? null : canonicalJson(waits));
    for (const item of group.items) {
      for (const { event, text } of item.rows) {
        push(events, event.run, event.seq, event.type, event.v, event.at, bytes(event.hash));
        payloads.push(text);
      }
    }
  }
  return [...heads.map(arrayOf), waiting, ...events.map(arrayOf), payloads.join("\n")];
}

/** What is in an array of Postgres as it is: no text that could hold a comma, a brace, a quote, a backslash or a space. */
type Cell = string | number | null;

function push(columns: readonly Cell[][], ...row: readonly Cell[]): void {
  for (let i = 0; i < row.length; i++) columns[i]?.push(row[i] ?? null);
}

/** One of `bytea`. */
function bytes(hex: string): string {
  return `"\\\\x${hex}"`;
}

function arrayOf(cells: readonly Cell[]): string {
  return `{${cells.map((cell) => cell ?? "NULL").join(",")}}`;
}

/** What several appends of one run ask for together: the latest word counts. */
function merged({ items: [first, ...others] }: Group): AppendOptions {
  let options = first?.options ?? {};
  for (const item of others) if (item.options !== options) options = { ...options, ...item.options };
  return options;
}

/** What of a group is in the journal already, given the head that is there, and what is left of it. */
export function splitAt(
  group: Group,
  storedHead: string | null,
): { readonly there: Group | null; readonly left: Group | null } {
  const end = group.items.findIndex((item) => item.rows.at(-1)?.event.hash === storedHead) + 1;
  const part = (items: Item[]): Group | null => (items.length === 0 ? null : { head: group.head, items });
  return { there: part(group.items.slice(0, end)), left: part(group.items.slice(end)) };
}

/**
 * The outstanding appends of each run that has any which are due; the others linger on, so that a run that nobody waits
 * for is written seldom. One batch tells runs apart by their ids, so where a run has been claimed again by the same
 * process, what its other holder appends comes later.
 */
export function grouped(items: readonly Item[], nowMs: number): { readonly groups: Group[]; readonly later: Item[] } {
  const due = new Set(items.flatMap(({ head, dueMs }) => (dueMs <= nowMs ? [head.run] : [])));
  const groups = new Map<string, Group>();
  const later: Item[] = [];
  for (const item of items) {
    const { head } = item;
    const group = groups.get(head.run);
    if (!due.has(head.run)) later.push(item);
    else if (!group) groups.set(head.run, { head, items: [item] });
    else if (group.head === head) group.items.push(item);
    else later.push(item);
  }
  return { groups: [...groups.values()], later };
}
