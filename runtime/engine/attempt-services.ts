import type { Clock } from "../core/clock.ts";
import type { ErrorRecord } from "../core/errors.ts";
import type { Journal } from "../core/journal.ts";
import type { JsonValue } from "../core/json.ts";
import type { Judge } from "../core/judge.ts";
import type { Messages } from "../core/messages.ts";
import type { Snapshots } from "../core/snapshots.ts";
import type { Turns } from "../core/turns.ts";
import type { Mailer } from "./mailer.ts";

/** What bounds runs and the attempts at them. */
export interface Limits {
  readonly leaseMs: number;
  /** How long a body may ask for something else than what is recorded before that is an error. */
  readonly replayStallMs: number;
  /** How many asks may stand above a run: a bound on agents that ask each other in a circle. */
  readonly maxDepth: number;
  /** How many messages a session may send: a bound on agents that keep each other busy. */
  readonly maxMessages: number;
  /** LangGraph's bound on supersteps. */
  readonly maxSupersteps: number;
  /** How many supersteps are between two snapshots of a run, at least: more where its state is large. */
  readonly snapshotEvery: number;
  /** How often a run that goes on stores its newest snapshot, at most: one that parks does so at once. */
  readonly storeSnapshotEveryMs: number;
  /** How long a node's code may do nothing that can be seen: neither call anything nor end. */
  readonly nodeIdleMs: number;
}

export const DEFAULT_LIMITS: Limits = {
  leaseMs: 15_000,
  replayStallMs: 30_000,
  maxDepth: 16,
  maxMessages: 10_000,
  maxSupersteps: 100_000,
  snapshotEvery: 100,
  storeSnapshotEveryMs: 1_000,
  nodeIdleMs: 1_800_000,
};

/** What an attempt works with. */
export interface AttemptServices {
  readonly journal: Journal;
  readonly snapshots: Snapshots;
  readonly judge: Judge;
  readonly mailer: Mailer;
  readonly turns: Turns;
  readonly messages: Messages;
  readonly clock: Clock;
  readonly worker: string;
  readonly limits: Limits;
  /** Told of what is not right and needs nobody's action. */
  readonly onTrouble: (what: string, error: ErrorRecord, details: Readonly<Record<string, JsonValue>>) => void;
  /** Told of what a node threw, as it was thrown: the record holds no stack. */
  readonly onNodeFailed?: (error: Error, details: { readonly run: string; readonly node: string }) => void;
}
