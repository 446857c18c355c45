import type { SignedEnvelope } from "./bus.ts";

/** A worker, as others know it. */
export interface WorkerRow {
  readonly worker: string;
  /** The key with which it signs messages (SPKI, PEM). */
  readonly publicKey: string;
  /** How long its leases last. */
  readonly leaseMs: number;
  /** The version of each of its agents, by name. */
  readonly versions: ReadonlyMap<string, string>;
}

/** Who signs with a key (SPKI, PEM). A console has no agents: it passes on what people publish. */
export interface WorkerKey {
  readonly publicKey: string;
  readonly agents: readonly string[];
}

/** What there is to do for everybody, by the database's clock. */
export interface Overdue {
  /** Runs whose timer is due. */
  readonly timers: boolean;
  /** Runs whose worker has not renewed its lease. */
  readonly leases: boolean;
  /** Approvals whose time to decide is over. */
  readonly approvals: boolean;
  /** Turns that are over and were not given back, or that nobody was told of. */
  readonly turns: boolean;
  /** Messages to be sent again. */
  readonly messages: boolean;
}

/** What workers do for everybody beside their runs. All of it may be repeated, by any worker, at any time. */
export interface Housekeeping {
  /** Makes known that a worker is there, and what it runs. */
  registerWorker(worker: WorkerRow): Promise<void>;
  workerSeen(worker: string): Promise<void>;
  workerGone(worker: string): Promise<void>;
  /** The public key of a worker that is or was there, and the agents that it speaks for; or null. */
  workerKey(worker: string): Promise<WorkerKey | null>;
  /** Mostly there is nothing, and this one question is all that it costs to know. */
  overdue(): Promise<Overdue>;
  /**
   * Makes runs ready whose worker has not renewed its lease, apart from `except`, and counts it as a crash where the
   * worker gives no sign of life any more.
   */
  freeLeftBehind(except: readonly string[]): Promise<void>;
  /** True if runs of these agents and versions wait that are suspected of having crashed their worker. */
  suspectsWait(versions: ReadonlyMap<string, string>): Promise<boolean>;
  /** Makes runs ready whose timer is due, by the database's clock. */
  wakeDueRuns(): Promise<void>;
  /** Ends approvals whose time to decide is over, by the database's clock: a fault is always a no. */
  expireApprovals(): Promise<void>;
  /** A message has reached its receiver's run: it need not be sent again. */
  messageReceived(message: string): Promise<void>;
  /** Messages that were sent a while ago and have reached nobody, and the how-many-eth copy of each is to be sent. */
  unreceivedMessages(): Promise<readonly { readonly message: SignedEnvelope; readonly copy: number }[]>;
  /** Whether a rule set is kept: then it was checked, in every respect that depends on it alone. */
  hasRuleSet(hash: string): Promise<boolean>;
  /** Keeps a rule set that was checked, so that its verdicts can be recomputed. */
  keepRuleSet(hash: string, content: string): Promise<void>;
}
