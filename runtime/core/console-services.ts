import type { z } from "zod";
import type { Cursor, JournalEvent } from "./events.ts";
import type { Principal } from "./people.ts";
import type {
  DeadLetterDetails,
  deadLettersQuery,
  DeadLettersPage,
  ListenerView,
  publishBody,
  Published,
  quarantinedMessagesQuery,
  QuarantinedMessagesPage,
  QuarantinedMessageView,
} from "./messages-protocol.ts";
import type {
  AgentSummary,
  answerBody,
  approvalsQuery,
  ApprovalView,
  ApprovalsPage,
  decideBody,
  doubtsQuery,
  DoubtsPage,
  Health,
  questionsQuery,
  QuestionsPage,
  QuestionView,
  QueueView,
  resolveDoubtBody,
  RunSummary,
  runsQuery,
  RunsPage,
  RunView,
  sessionsQuery,
  SessionsPage,
  SessionState,
  SessionSummary,
  SessionView,
  startRunBody,
  VerifyReport,
} from "./protocol.ts";

/** The next events of a session after a cursor, with what lists say of the session at that moment. */
export interface SessionDelta {
  /** Each run's events in order, none missing between the cursor and the first. */
  readonly events: readonly JournalEvent[];
  readonly session: SessionSummary;
  /** Every run of the session; `events` of each is how far its journal reaches. */
  readonly runs: readonly RunSummary[];
  /** True if the limit cut the answer short: ask again from the last events. */
  readonly more: boolean;
}

/**
 * What the console's server needs from the rest of Signalbox. Inputs have been validated and the role
 * has been checked; everything that depends on the thing itself (who started it, which pool, whether it
 * is still pending) is for the implementation to refuse.
 *
 * Reading functions may be repeated freely. All throw `NotFoundError` for ids that do not exist.
 */
export interface ConsoleServices {
  /** Newest first. */
  listSessions(query: z.output<typeof sessionsQuery>): Promise<SessionsPage>;
  /**
   * Sessions that may have changed lately: the newest, and those with ready or running runs. The live
   * list falls back on it when notices are lost, so it may hold too many and never has to hold all.
   */
  recentSessions(limit: number): Promise<readonly SessionSummary[]>;
  /** In any order; ids that do not exist are left out. */
  sessionSummaries(sessions: readonly string[]): Promise<readonly SessionSummary[]>;
  sessionView(session: string): Promise<SessionView>;
  sessionState(session: string, at: { readonly run: string; readonly seq: number }): Promise<SessionState>;
  verifySession(session: string): Promise<VerifyReport>;
  /** Events after the cursor, at most `limit` of them. A run that the cursor does not name is read from its start. */
  eventsAfter(session: string, cursor: Cursor, limit: number): Promise<SessionDelta>;

  /** `cannotDecide` is about the reader. Pending ones oldest first, decided ones newest first. */
  listApprovals(reader: Principal, query: z.output<typeof approvalsQuery>): Promise<ApprovalsPage>;
  getApproval(reader: Principal, approval: string): Promise<ApprovalView>;
  /** In any order; ids that do not exist are left out. */
  theseApprovals(reader: Principal, approvals: readonly string[]): Promise<readonly ApprovalView[]>;
  /**
   * Ids of the thousand oldest pending approvals, each with a text that differs whenever something about it has changed
   * (a further decision, for example). Cheap: the live inbox asks for it again and again.
   */
  pendingApprovals(): Promise<ReadonlyMap<string, string>>;
  /** Throws `ConflictError` if it is no longer pending or was shown with other arguments, `ForbiddenError` if this person may not. */
  decide(by: Principal, approval: string, decision: z.output<typeof decideBody>): Promise<ApprovalView>;

  /** Oldest first. */
  listDoubts(query: z.output<typeof doubtsQuery>): Promise<DoubtsPage>;
  /** Throws `ConflictError` if it is no longer in doubt. */
  resolveDoubt(by: Principal, resolution: z.output<typeof resolveDoubtBody>): Promise<void>;

  /** `cannotAnswer` is about the reader. Open ones oldest first, past ones newest first. */
  listQuestions(reader: Principal, query: z.output<typeof questionsQuery>): Promise<QuestionsPage>;
  getQuestion(reader: Principal, question: string): Promise<QuestionView>;
  /** In any order; ids that do not exist are left out. */
  theseQuestions(reader: Principal, questions: readonly string[]): Promise<readonly QuestionView[]>;
  /** Ids of the thousand oldest open questions, like {@link ConsoleServices.pendingApprovals}. */
  openQuestions(): Promise<ReadonlyMap<string, string>>;
  /**
   * Throws `ConflictError` if it is no longer open, `ForbiddenError` if this person may not answer it,
   * `InvalidInputError` if the answer does not fit the question's schema.
   */
  answerQuestion(by: Principal, question: string, given: z.output<typeof answerBody>): Promise<QuestionView>;

  /**
   * Throws `InvalidInputError` if the input does not fit the agent, `ConflictError` if the key was used for another
   * input. The same key and input give the same session again.
   */
  startRun(
    by: Principal,
    start: z.output<typeof startRunBody>,
  ): Promise<{ readonly session: SessionSummary; readonly created: boolean }>;
  /** Runs that have not ended, oldest first. */
  listRuns(query: z.output<typeof runsQuery>): Promise<RunsPage>;
  getRun(run: string): Promise<RunView>;
  /** Asks that a run end, with all that it asked. Throws `ConflictError` if it has ended, `ForbiddenError`. Repeating it changes nothing. */
  cancelRun(by: Principal, run: string, reason: string): Promise<RunView>;
  /** Lets workers take a run in quarantine again. Throws `ConflictError` if it is in none, `ForbiddenError`. */
  releaseRun(by: Principal, run: string, reason: string): Promise<RunView>;
  /**
   * Cancels a run that does not go on, and starts a new session with the same agent and input. Throws `ConflictError`
   * if it goes on or did not begin a session, `ForbiddenError`. Repeating it gives the same new session.
   */
  restartRun(by: Principal, run: string, reason: string): Promise<SessionSummary>;
  /** How much waits for each agent. */
  queues(): Promise<readonly QueueView[]>;
  /** The agents that listen to topics. */
  listListeners(): Promise<readonly ListenerView[]>;
  /** Publishes nothing to it any more. Throws `NotFoundError`, `ForbiddenError`, `ConflictError` if a worker has it. */
  forgetListener(by: Principal, agent: string, reason: string): Promise<void>;
  /**
   * Publishes from outside. Throws `InvalidInputError` for what no message can carry, `ConflictError` if something
   * else was published under the same id, an error with the code `QUEUE_FULL` if as much waits for a receiver as may:
   * then nobody is sent anything. Under an id it may be repeated.
   */
  publish(
    by: Principal,
    topic: string,
    message: z.output<typeof publishBody>,
  ): Promise<{ readonly published: Published; readonly created: boolean }>;
  /** Oldest first. */
  listDeadLetters(query: z.output<typeof deadLettersQuery>): Promise<DeadLettersPage>;
  getDeadLetter(deadLetter: string): Promise<DeadLetterDetails>;
  /** Has a message tried once more. Throws `ConflictError` if that is no use, or somebody was faster, `ForbiddenError`. */
  redriveDeadLetter(by: Principal, deadLetter: string, reason: string): Promise<DeadLetterDetails>;
  /** Leaves a message undelivered for good. Throws `ConflictError` if somebody was faster, `ForbiddenError`. */
  dropDeadLetter(by: Principal, deadLetter: string, reason: string): Promise<DeadLetterDetails>;
  /** What came and was not believed, oldest first. */
  listQuarantinedMessages(query: z.output<typeof quarantinedMessagesQuery>): Promise<QuarantinedMessagesPage>;
  /** Says that a person has looked at it. Throws `ConflictError` if somebody was faster, `ForbiddenError`. */
  dismissQuarantinedMessage(by: Principal, quarantined: string, reason: string): Promise<QuarantinedMessageView>;
  listAgents(): Promise<readonly AgentSummary[]>;
  /** Never throws: what is down is in the answer. */
  health(): Promise<Health>;
}
