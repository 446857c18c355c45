import { z } from "zod";
import type { ConsoleServices } from "../../runtime/core/console-services.ts";
import { ConflictError, ForbiddenError, InvalidInputError, NotFoundError } from "../../runtime/core/errors.ts";
import type { Principal } from "../../runtime/core/people.ts";
import type { ApprovalView, DoubtView, QuestionView, RunView } from "../../runtime/core/protocol.ts";
import { MemoryMail } from "./memory-mail.ts";

/** What waits for people, and what they did with it. Views are replaced in place when they change. */
export interface InboxContents {
  readonly approvals: ApprovalView[];
  readonly doubts: DoubtView[];
  readonly questions: QuestionView[];
}

type InboxServices = Pick<
  ConsoleServices,
  | "listApprovals"
  | "theseApprovals"
  | "getApproval"
  | "pendingApprovals"
  | "decide"
  | "listDoubts"
  | "resolveDoubt"
  | "listQuestions"
  | "theseQuestions"
  | "getQuestion"
  | "openQuestions"
  | "answerQuestion"
  | "listRuns"
  | "getRun"
  | "cancelRun"
  | "releaseRun"
  | "restartRun"
  | "queues"
>;

/** The inbox's half of the console's services over plain lists: everything that the port promises. */
export abstract class MemoryInbox extends MemoryMail implements InboxServices {
  readonly inbox: InboxContents;
  readonly now: () => number;

  constructor(inbox: InboxContents, now: () => number) {
    super();
    this.inbox = inbox;
    this.now = now;
  }

  /** Every reading and every change passes here: as a promise even when it throws, like a query. */
  protected abstract override read<T>(work: () => T): Promise<T>;

  listApprovals: InboxServices["listApprovals"] = (reader, { status }) =>
    this.read(() => ({
      approvals: this.inbox.approvals
        .filter((approval) => status === "all" || (approval.status === "pending") === (status === "pending"))
        .map((approval) => approvalFor(reader, approval)),
      next: null,
    }));

  theseApprovals: InboxServices["theseApprovals"] = (reader, ids) =>
    this.read(() =>
      this.inbox.approvals
        .filter(({ approval }) => ids.includes(approval))
        .map((approval) => approvalFor(reader, approval)),
    );

  getApproval: InboxServices["getApproval"] = (reader, id) => this.read(() => approvalFor(reader, this.#approval(id)));

  pendingApprovals: InboxServices["pendingApprovals"] = () =>
    this.read(() => {
      const pending = this.inbox.approvals.filter((approval) => approval.status === "pending");
      return new Map(pending.map((approval) => [approval.approval, String(approval.decisions.length)]));
    });

  decide: InboxServices["decide"] = (by, id, { decision, reason, argsHash }) =>
    this.read(() => {
      const approval = this.#approval(id);
      const { cannotDecide } = approvalFor(by, approval);
      if (approval.status !== "pending") throw new ConflictError(`This approval is ${approval.status} already.`);
      if (cannotDecide !== null) throw new ForbiddenError(cannotDecide);
      if (approval.argsHash !== argsHash) throw new ConflictError("The arguments are not those that were shown.");
      const decisions = [...approval.decisions, { by: by.name, decision, reason, at: this.now() }];
      const agreed = decisions.filter((each) => each.decision === "approve").length;
      const status = decision === "reject" ? "rejected" : agreed >= approval.approversNeeded ? "approved" : "pending";
      const decided: ApprovalView = { ...approval, decisions, status };
      this.inbox.approvals[this.inbox.approvals.indexOf(approval)] = decided;
      return approvalFor(by, decided);
    });

  listDoubts: InboxServices["listDoubts"] = () => this.read(() => ({ doubts: [...this.inbox.doubts], next: null }));

  resolveDoubt: InboxServices["resolveDoubt"] = (_by, { run, effect }) =>
    this.read(() => {
      const at = this.inbox.doubts.findIndex((doubt) => doubt.run === run && doubt.effect === effect);
      if (at < 0) throw new ConflictError("This call is not in doubt any more.");
      this.inbox.doubts.splice(at, 1);
    });

  listQuestions: InboxServices["listQuestions"] = (reader, { status }) =>
    this.read(() => ({
      questions: this.inbox.questions
        .filter((question) => status === "all" || (question.status === "open") === (status === "open"))
        .map((question) => questionFor(reader, question)),
      next: null,
    }));

  theseQuestions: InboxServices["theseQuestions"] = (reader, ids) =>
    this.read(() =>
      this.inbox.questions
        .filter(({ question }) => ids.includes(question))
        .map((question) => questionFor(reader, question)),
    );

  getQuestion: InboxServices["getQuestion"] = (reader, id) => this.read(() => questionFor(reader, this.#question(id)));

  openQuestions: InboxServices["openQuestions"] = () =>
    this.read(() => {
      const open = this.inbox.questions.filter((question) => question.status === "open");
      return new Map(open.map((question) => [question.question, "open"]));
    });

  answerQuestion: InboxServices["answerQuestion"] = (by, id, { answer }) =>
    this.read(() => {
      const question = this.#question(id);
      const { cannotAnswer } = questionFor(by, question);
      if (question.status !== "open") {
        throw new ConflictError(
          `This question is ${question.status} already, by ${question.answered?.by ?? "nobody"}.`,
        );
      }
      if (cannotAnswer !== null) throw new ForbiddenError(cannotAnswer);
      if (!z.fromJSONSchema(question.answer).safeParse(answer).success) {
        throw new InvalidInputError("The answer does not fit the question. Nothing was recorded.");
      }
      const answered = { by: by.name, at: this.now(), value: answer };
      const settled: QuestionView = { ...question, status: "answered", answered };
      this.inbox.questions[this.inbox.questions.indexOf(question)] = settled;
      return questionFor(by, settled);
    });

  #approval(id: string): ApprovalView {
    const approval = this.inbox.approvals.find((each) => each.approval === id);
    if (!approval) throw new NotFoundError(`There is no approval ${id}.`);
    return approval;
  }

  #question(id: string): QuestionView {
    const question = this.inbox.questions.find((each) => each.question === id);
    if (!question) throw new NotFoundError(`There is no question ${id}.`);
    return question;
  }

  listRuns: InboxServices["listRuns"] = () => this.read(() => ({ runs: [], next: null }));

  getRun: ConsoleServices["getRun"] = (run) => this.read(() => runOf(run));

  cancelRun: ConsoleServices["cancelRun"] = (_by, run) => this.getRun(run);

  releaseRun: ConsoleServices["releaseRun"] = (_by, run) => this.getRun(run);

  restartRun: ConsoleServices["restartRun"] = () => Promise.reject(new ConflictError("The run goes on by itself."));

  queues: ConsoleServices["queues"] = () => this.read(() => []);
}

function approvalFor(reader: Principal, approval: ApprovalView): ApprovalView {
  const { startedBy, pool, decisions } = approval;
  const cannotDecide =
    startedBy.id === reader.name
      ? "You started this session, so somebody else has to decide."
      : !reader.pools.includes(pool)
        ? `You are not in the pool "${pool}", whose members decide this.`
        : decisions.some((decision) => decision.by === reader.name)
          ? "You have decided already. Somebody else has to agree."
          : null;
  return { ...approval, cannotDecide };
}

function questionFor(reader: Principal, question: QuestionView): QuestionView {
  const { pool } = question;
  return {
    ...question,
    cannotAnswer: reader.pools.includes(pool) ? null : `You are not in the pool "${pool}", whose members answer this.`,
  };
}

function runOf(run: string): RunView {
  return {
    run,
    session: run,
    agent: "refunds",
    version: null,
    parent: null,
    status: "running",
    startedBy: { kind: "service", id: "claims-feed" },
    queue: null,
    startedAt: 1,
    endedAt: null,
    events: 1,
    waits: [],
    crashes: 0,
    stuck: null,
  };
}
