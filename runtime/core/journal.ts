import type { EventRef, JournalEvent, NewEvent, ReceivedMessage, RunStatus, StartCause, Wait } from "./events.ts";
import type { SignedEnvelope } from "./bus.ts";
import type { JsonValue } from "./json.ts";
import type { Actor } from "./people.ts";
import type { Verdict } from "./verdict.ts";

/**
 * Where one holder of a run's lease stands in the run's journal. `append` moves it at once, before the
 * events are durable; nobody else may write to the run while its epoch holds.
 */
export interface RunHead {
  readonly run: string;
  readonly session: string;
  readonly agent: string;
  readonly epoch: number;
  seq: number;
  hash: string;
}

/** A row beside the events that becomes durable in the same transaction, or not at all. */
export type ViewWrite =
  | {
      readonly view: "approval_requested";
      readonly approval: string;
      readonly effect: string;
      readonly tool: string;
      readonly toolVersion: string;
      readonly input: JsonValue;
      readonly argsHash: string;
      readonly verdict: Verdict;
      readonly pool: string;
      readonly approvers: number;
      readonly startedBy: Actor;
      readonly expiresAt: number;
    }
  /**
   * Refuses the whole append unless the approval is approved and not yet consumed. One that was approved in time
   * may be used later: what bounds the time to decide does not bound the call.
   */
  | { readonly view: "approval_consumed"; readonly approval: string }
  /** The run ended: nothing may be decided for it any more. */
  | { readonly view: "approvals_voided" }
  | {
      readonly view: "doubt_raised";
      readonly effect: string;
      readonly effectId: string;
      readonly tool: string;
      readonly input: JsonValue;
      readonly reason: string;
    }
  | { readonly view: "doubt_resolved"; readonly effect: string }
  | {
      readonly view: "question_asked";
      readonly id: string;
      readonly effect: string;
      readonly pool: string;
      readonly question: string;
      /** The JSON Schema of the answer. */
      readonly answer: JsonValue;
    }
  /** The run ended: nobody need answer any more. */
  | { readonly view: "questions_voided" }
  | { readonly view: "message_out"; readonly message: SignedEnvelope }
  /**
   * The session sends so many messages more. Refuses the whole append where it may not: nobody knew when the call was
   * judged that others of its runs would send the last ones.
   */
  | { readonly view: "budget_used"; readonly messages: number; readonly budget: number }
  /** A message of the run's mailbox is in its events. Refuses the whole append if it was taken before. */
  | { readonly view: "mail_taken"; readonly message: string }
  /** The run ended: what lies in its mailbox goes back to its queue, or is a dead letter where it was for this run alone. */
  | { readonly view: "mailbox_closed" }
  /** An approval is not wanted any more. */
  | { readonly view: "approval_voided"; readonly approval: string }
  /** The run ended: nobody goes on from its snapshot any more. */
  | { readonly view: "snapshot_dropped" }
  /** The run that asked has ended: what it asked for is not wanted any more. */
  | {
      readonly view: "child_cancelled";
      readonly child: string;
      /** The message that is to start the child, should it not have arrived yet. */
      readonly ask: string;
      readonly by: Actor;
      readonly reason: string;
      readonly cause: EventRef;
    };

export interface AppendOptions {
  /** The run's status after these events. Default: unchanged. */
  readonly status?: RunStatus;
  /** With `status: "parked"`: what it waits for, and when to wake it at the latest (epoch ms). */
  readonly waits?: readonly Wait[];
  readonly wakeAt?: number | null;
  /** How far the mailbox has been taken over into events. */
  readonly mailboxTaken?: number;
  /**
   * Nobody waits for it: it may be written a little later, together with what comes meanwhile. It is written at once
   * with the next append that does not linger, of this run or another.
   */
  readonly linger?: boolean;
  /** Told if they are refused, also where nobody waits: see {@link Appended.durable}. */
  readonly onRefused?: (error: unknown) => void;
  /** Rows beside the events; a function where they need the places that the events are given. */
  readonly views?: readonly ViewWrite[] | ((events: readonly JournalEvent[]) => readonly ViewWrite[]);
}

export interface Appended {
  /** The events with their places and hashes; known before they are durable. */
  readonly events: readonly JournalEvent[];
  /**
   * Resolves once the events are on disk, with the run's status: `ready` instead of the `parked` that
   * was asked for if something arrived in the mailbox meanwhile. Rejects with `FencedError` if the
   * lease has been lost, and then for every later append too.
   */
  readonly durable: Promise<RunStatus>;
}

export interface NewRun {
  readonly run: string;
  readonly session: string;
  readonly parent: string | null;
  readonly agent: string;
  /** The version of the agent that is to run it; null: of whichever worker takes it first. */
  readonly version: string | null;
  readonly key: string | null;
  readonly startedBy: Actor;
  readonly depth: number;
  readonly input: JsonValue;
  readonly cause?: StartCause;
  /** When it has to have ended, at the latest (epoch ms). */
  readonly deadline?: number | null;
  /** How long it may take from now on, by the database's clock. What comes first counts, this or the deadline. */
  readonly timeoutMs?: number | undefined;
  /** The message that starts it, where nobody waits for an answer. */
  readonly message?: ReceivedMessage;
  readonly labels?: readonly string[];
  /** How many messages its session may send, where less than usual. */
  readonly budget?: number | null;
}

/** Which runs a worker takes with regard to crashes: a run is suspected while nobody knows whether it crashed its worker. */
export type Take = "all" | "sound" | "suspects";

/** Who claims, and what it can go on with. */
export interface Claimant {
  readonly worker: string;
  readonly leaseMs: number;
  /**
   * The agents that it has, and which version of each. A run belongs to the version that took it first; one that is to
   * be stopped is claimed whatever its version.
   */
  readonly versions: ReadonlyMap<string, string>;
  /** A worker that takes suspects does nothing else at the same time. */
  readonly take: Take;
}

/** At most so many runs of one agent may be under way at once, on all workers together. */
export interface AgentLimit {
  readonly agent: string;
  readonly atMost: number;
}

export interface ClaimAny extends Claimant {
  readonly limit: number;
  /** Leaves alone what has not been due for so long. */
  readonly olderThanMs: number;
  /** How many more runs of an agent this worker takes at most; default: no bound but the limit. */
  readonly room?: ReadonlyMap<string, number>;
  readonly limits?: readonly AgentLimit[];
}

/** What a claim gives: the lease on a run, and what is needed to go on with it. */
export interface Claim {
  readonly head: RunHead;
  /** The version of the agent that the run belongs to; empty while none has taken it. */
  readonly version: string;
  readonly startedBy: Actor;
  readonly depth: number;
  readonly parent: string | null;
  /** Monotonic milliseconds until which the lease certainly holds, by this process's clock. */
  readonly deadlineMs: number;
  /** When the lease was granted: the database's clock (epoch ms), and this process's monotonic clock at or after it. */
  readonly claimedAt: { readonly epochMs: number; readonly monotonicMs: number };
  /** How many workers it has crashed that did nothing else. */
  readonly soloCrashes: number;
  /** Up to where its mailbox was seen to when it was claimed, where nothing more was in it; else absent. */
  readonly emptyUpTo?: number;
  /** Its whole record when it was claimed, where that is short; else absent. */
  readonly events?: readonly JournalEvent[];
  /**
   * Of a run that was begun: resolves once it is on disk. Rejects where it could not be written; after a connection was
   * lost, it may be there all the same, and then another worker goes on with it. Absent: it is there.
   */
  readonly recorded?: Promise<void>;
}

/** The claim on a run that was begun and is not on disk yet. */
export type BegunClaim = Claim & Required<Pick<Claim, "recorded" | "events" | "emptyUpTo">>;

/** What became of leases that were to be extended. */
export interface Renewed {
  /** Runs whose lease still is this worker's, now until the deadline. */
  readonly held: ReadonlySet<string>;
  /** Runs that are somebody else's now, or nobody's. */
  readonly gone: ReadonlySet<string>;
  // A run in neither set could not be looked at: something held its row. Its lease stands as it stood.
  /** Monotonic milliseconds until which the held leases certainly hold, by this process's clock. */
  readonly deadlineMs: number;
}

export interface MailboxMessage {
  readonly id: string;
  readonly kind: "approval" | "answer" | "undelivered" | "doubt" | "cancel" | "release" | "human";
  readonly data: JsonValue;
}

/** The only writer of events. */
export interface Journal {
  append(head: RunHead, events: readonly NewEvent[], options?: AppendOptions): Appended;
  /**
   * Creates a run with its `run_started` event; a second time with the same id, or with the same agent and
   * key, changes nothing and gives null. With `claimFor`, the run is created claimed by that worker.
   */
  create(run: NewRun, claimFor?: { readonly worker: string; readonly leaseMs: number }): Promise<Claim | null>;
  /**
   * Creates a run claimed by this process without waiting for it: the run is written together with what it does
   * first. Until then nobody else knows of it, and if the process dies before, there has been none. Only for a run that
   * nothing else may create: its id is new, and it has neither a key nor a message that starts it.
   *
   * @param options.linger false where somebody waits for it
   */
  begin(
    run: NewRun,
    claimFor: { readonly worker: string; readonly leaseMs: number },
    options?: { readonly linger?: boolean },
  ): BegunClaim;
  /** The run that was started with this agent and key, and its input; null if there is none. */
  startedWith(agent: string, key: string): Promise<{ readonly run: string; readonly input: JsonValue } | null>;
  /** Claims those of the runs that are ready and due. With a limit, only as many as its agent may still have under way. */
  claim(runs: readonly string[], claimant: Claimant, limit?: AgentLimit): Promise<Claim[]>;
  /** Claims what is ready and due, the agents in turn, so that one with a long queue does not keep others waiting. */
  claimAny(claim: ClaimAny): Promise<Claim[]>;
  /** Extends leases. Waits for nobody: a row that somebody else holds costs no other run its lease. */
  renew(heads: readonly RunHead[], worker: string, leaseMs: number): Promise<Renewed>;
  /**
   * Gives a run back, to be claimed at once. With `endedEarly`, after an attempt that reached neither a park nor an
   * end: then it is due after a second, and later the more attempts in a row have come to nothing. A message for
   * the run makes it due at once.
   */
  release(head: RunHead, options?: { readonly endedEarly?: boolean }): Promise<void>;
  /** Which of these runs have messages that are not in their events yet. */
  withMail(runs: readonly string[]): Promise<string[]>;
  /** A run's events after `after`, in order. */
  read(run: string, after?: number): Promise<JournalEvent[]>;
  /** What has arrived for a run and is not in its events yet, and how far that reaches. */
  mailbox(run: string): Promise<{ readonly messages: readonly MailboxMessage[]; readonly upTo: number }>;
  /** Leaves a message for a run. False if a message with this id is there already, or the run has ended. */
  deliver(
    run: string,
    message: MailboxMessage,
  ): Promise<{ readonly delivered: boolean; readonly agent: string | null }>;
}
