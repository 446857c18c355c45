import { decide } from "../approvals/decide.ts";
import { resolveDoubt, type ResultSchemaOf } from "../approvals/doubts.ts";
import { answerQuestion, openQuestions, questionView, questionViews, theseQuestions } from "../approvals/questions.ts";
import { getApproval, listApprovals, listDoubts, pendingApprovals, theseApprovals } from "../approvals/views.ts";
import { verify } from "../audit/verify.ts";
import type { NatsBus } from "../bus/nats-bus.ts";
import type { SignalboxConfig } from "../config.ts";
import { assertOperator } from "../core/authority.ts";
import type { ConsoleServices } from "../core/console-services.ts";
import type { Database } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import type { Journal } from "../core/journal.ts";
import { ENDED_STATUSES } from "../core/events.ts";
import { actorOf } from "../core/people.ts";
import { deliverIn } from "../journal/deliver.ts";
import { deadLetterDetails, dropDeadLetter, listDeadLetters, redriveDeadLetter } from "../operations/dead-letters.ts";
import { forgetListener, listListeners } from "../operations/listeners.ts";
import { dismissQuarantinedMessage, listQuarantinedMessages } from "../operations/quarantined-messages.ts";
import { queues } from "../operations/queues.ts";
import { assertRestartable, cancelRun, listRuns, releaseRun, runView } from "../operations/runs.ts";
import { WORKER_SEEN_MS } from "../operations/workers-there.ts";
import {
  eventsAfter,
  type EventReader,
  listSessions,
  recentSessions,
  sessionState,
  sessionSummaries,
  sessionView,
} from "../replay/sessions.ts";
import type { Publisher } from "./publisher.ts";

export interface ServicesContext {
  readonly database: Database;
  readonly journal: Journal & EventReader;
  readonly bus: Pick<NatsBus, "wake" | "ping">;
  readonly config: SignalboxConfig;
}

const PING_MS = 2_000;

/** What the console and the CLI do, on the journal. */
export function createServices(context: ServicesContext): ConsoleServices {
  const { database, bus, config } = context;
  const wake = (woken: { readonly run: string; readonly agent: string } | null): void => {
    if (woken) bus.wake(woken.agent, [woken.run]);
  };
  const resultSchemaOf: ResultSchemaOf = (call) =>
    Object.values(config.agents.find(({ name }) => name === call.agent)?.tools ?? {}).find(
      ({ name }) => name === call.tool,
    )?.output;
  let publisher: Promise<Publisher> | null = null;
  return {
    listSessions: (query) => listSessions(context, query),
    recentSessions: (limit) => recentSessions(context, limit),
    sessionSummaries: (sessions) => sessionSummaries(context, sessions),
    sessionView: (session) => sessionView(context, session),
    sessionState: (session, at) => sessionState(context, session, at),
    verifySession: (session) => verify(database, session),
    eventsAfter: (session, cursor, limit) => eventsAfter(context, session, cursor, limit),
    listApprovals: (reader, query) => listApprovals(database, reader, query),
    getApproval: (reader, approval) => getApproval(database, reader, approval),
    theseApprovals: (reader, approvals) => theseApprovals(database, reader, approvals),
    pendingApprovals: () => pendingApprovals(database),
    async decide(by, approval, decision) {
      wake(await decide({ database, deliver: deliverIn }, by, { approval, ...decision }));
      return getApproval(database, by, approval);
    },
    listDoubts: (query) => listDoubts(database, query),
    async resolveDoubt(by, resolution) {
      wake(await resolveDoubt({ database, deliver: deliverIn, resultSchemaOf }, by, resolution));
    },
    listQuestions: (reader, query) => questionViews(database, reader, query),
    getQuestion: (reader, question) => questionView(database, reader, question),
    theseQuestions: (reader, questions) => theseQuestions(database, reader, questions),
    openQuestions: () => openQuestions(database),
    async answerQuestion(by, question, { answer }) {
      wake(await answerQuestion({ database, deliver: deliverIn }, by, { question, answer }));
      return questionView(database, by, question);
    },
    listRuns: (query) => listRuns(database, query),
    getRun: (run) => runView(database, run),
    async cancelRun(by, run, reason) {
      wake(await cancelRun({ database, deliver: deliverIn }, by, { run, reason }));
      return runView(database, run);
    },
    async releaseRun(by, run, reason) {
      wake(await releaseRun({ database, deliver: deliverIn }, by, { run, reason }));
      return runView(database, run);
    },
    async restartRun(by, run, reason) {
      const { startAgain, startedAgain } = await import("./start-run.ts");
      const view = await runView(database, run);
      // Done before, if not to its end: then this is the rest of it.
      const before = await startedAgain(context.journal, view);
      if (before === null) assertRestartable(view, by);
      const session = before ?? (await startAgain(context, view, actorOf(by)));
      if (!ENDED_STATUSES.includes(view.status)) {
        const why = `Started again as the session ${session}: ${reason}`;
        wake(await cancelRun({ database, deliver: deliverIn }, by, { run, reason: why }));
      }
      const [summary] = await sessionSummaries(context, [session]);
      if (!summary) throw new NotFoundError(`The session ${session} is gone.`, { details: { session } });
      return summary;
    },
    queues: () => queues(database),
    listListeners: () => listListeners(database),
    forgetListener: (by, agent, reason) => forgetListener(database, by, { agent, reason }),
    async publish(by, topic, { body, key, id, labels }) {
      publisher ??= openPublisher(database).catch((error: unknown) => {
        // The next one tries again.
        publisher = null;
        throw error;
      });
      return (await publisher).publish(by, { topic, body, key, id, labels });
    },
    listDeadLetters: (query) => listDeadLetters(database, query),
    getDeadLetter: (id) => deadLetterDetails(database, id),
    redriveDeadLetter: (by, id, reason) => redriveDeadLetter(database, by, { id, reason }),
    dropDeadLetter: (by, id, reason) => dropDeadLetter(database, by, { id, reason }),
    listQuarantinedMessages: (query) => listQuarantinedMessages(database, query),
    dismissQuarantinedMessage: (by, id, reason) => dismissQuarantinedMessage(database, by, { id, reason }),
    async startRun(by, { agent, input, key }) {
      assertOperator(by, "start a run");
      // Loads LangGraph, which most of what asks for these services never needs.
      const { startRun } = await import("./start-run.ts");
      const { run, created } = await startRun(context, { agent, input, key, startedBy: actorOf(by) });
      const [summary] = await sessionSummaries(context, [run]);
      if (!summary) throw new NotFoundError(`The session ${run} is gone.`, { details: { session: run } });
      return { session: summary, created };
    },
    listAgents: () =>
      Promise.resolve(
        config.agents.map((agent) => ({ name: agent.name, description: agent.description, team: agent.team ?? null })),
      ),
    async health() {
      const [counts, nats] = await Promise.all([
        database
          .query<{ workers: number; pending: number }>(
            `select (select count(*)::int from workers
                 where seen_at > clock_timestamp() - $1 * interval '1 millisecond' and agents <> '{}') as workers,
               (select count(*)::int from approvals where status = 'pending') as pending`,
            [WORKER_SEEN_MS],
          )
          .then(
            ([row]) => row,
            () => undefined,
          ),
        answers(bus.ping()),
      ]);
      return {
        ok: counts !== undefined && nats && counts.workers > 0,
        postgres: counts ? "up" : "down",
        nats: nats ? "up" : "down",
        workers: counts?.workers ?? 0,
        pendingApprovals: counts?.pending ?? 0,
      };
    },
  };
}

async function openPublisher(database: Database): Promise<Publisher> {
  // Loads LangGraph, for the codec.
  const { openPublisher: open } = await import("./publisher.ts");
  return open(database);
}

async function answers(ping: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => {
      resolve(false);
    }, PING_MS);
  });
  try {
    return await Promise.race([
      ping.then(
        () => true,
        () => false,
      ),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
