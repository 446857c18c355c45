import { z } from "zod";
import { assertDecider } from "../core/authority.ts";
import { canonicalJson, NotCanonicalError } from "../core/canonical.ts";
import type { Database } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { actorOf, type Actor, type Principal } from "../core/people.ts";
import type { questionsQuery, QuestionsPage, QuestionView } from "../core/protocol.ts";
import type { Deliver } from "./decide.ts";
import { AlreadyDecidedError, InvalidAnswerError, NotInPoolError } from "./errors.ts";
import { pageOfParts } from "./two-parts.ts";

/** A question as it is the same for everybody. */
export type Question = Omit<QuestionView, "cannotAnswer">;

interface QuestionRow {
  readonly question_id: string;
  readonly session_id: string;
  readonly session_key: string | null;
  readonly run_id: string;
  readonly effect: string;
  readonly agent: string;
  readonly pool: string;
  readonly question: string;
  readonly answer_schema: string;
  readonly starter_kind: Actor["kind"];
  readonly starter_id: string;
  readonly status: QuestionView["status"];
  readonly asked_at: number;
  readonly answered_at: number | null;
  readonly answered_by: string | null;
  readonly answer: string | null;
}

/** The root run is looked up for each question that is shown: joined, all runs were read where many are shown. */
const SELECT = `
select question_id, q.session_id, root.start_key as session_key, q.run_id, effect, q.agent, pool, question,
  answer_schema, root.starter_kind, root.starter_id, q.status, answered_by, answer,
  (extract(epoch from asked_at) * 1000)::bigint as asked_at,
  (extract(epoch from answered_at) * 1000)::bigint as answered_at
from questions q cross join lateral (
  select start_key, starter_kind, starter_id from runs where runs.run_id = q.session_id limit 1) root`;

/** Open questions, oldest first, and then past ones, newest first. */
export async function listQuestions(
  database: Database,
  query: z.output<typeof questionsQuery>,
): Promise<{ readonly questions: readonly Question[]; readonly next: string | null }> {
  const { rows, next } = await pageOf(database, query);
  return { questions: rows.map(toQuestion), next };
}

/** The same for the console, with what the reader may do. */
export async function questionViews(
  database: Database,
  reader: Principal,
  query: z.output<typeof questionsQuery>,
): Promise<QuestionsPage> {
  const { rows, next } = await pageOf(database, query);
  return { questions: rows.map((row) => shownTo(reader, toQuestion(row))), next };
}

/** @throws {@link NotFoundError} */
export async function questionView(database: Database, reader: Principal, question: string): Promise<QuestionView> {
  const [row] = await database.query<QuestionRow>(`${SELECT} where question_id = $1`, [question]);
  if (!row) throw noQuestion(question);
  return shownTo(reader, toQuestion(row));
}

/** In any order; ids that do not exist are left out. */
export async function theseQuestions(
  database: Database,
  reader: Principal,
  questions: readonly string[],
): Promise<QuestionView[]> {
  const rows = await database.query<QuestionRow>(`${SELECT} where question_id = any($1::uuid[])`, [questions]);
  return rows.map((row) => shownTo(reader, toQuestion(row)));
}

/** How many of those that wait somebody is told of while they look. */
const WATCHED = 1_000;

/** The oldest of what is open. A question does not change before it is answered, so its text never does. */
export async function openQuestions(database: Database): Promise<Map<string, string>> {
  const rows = await database.query<{ question_id: string }>(
    "select question_id from questions where status = 'open' order by asked_at, question_id limit $1",
    [WATCHED],
    "open_questions",
  );
  return new Map(rows.map((row) => [row.question_id, "open"]));
}

/**
 * Answers a question of an agent. The answer reaches the run in the same transaction, as it was given:
 * nothing of it is converted.
 *
 * @returns the run to wake.
 * @throws `ForbiddenError`, {@link NotFoundError}, {@link AlreadyDecidedError} if it is no longer open, {@link NotInPoolError},
 *   {@link InvalidAnswerError} if the answer does not fit the question's schema.
 */
export async function answerQuestion(
  context: { readonly database: Database; readonly deliver: Deliver },
  by: Principal,
  given: { readonly question: string; readonly answer: JsonValue },
): Promise<{ readonly run: string; readonly agent: string } | null> {
  assertDecider(by, "answer a question");
  return context.database.transaction(async (sql) => {
    const [question] = await sql.query<QuestionRow>(`${SELECT} where question_id = $1 for update of q`, [
      given.question,
    ]);
    if (!question) throw noQuestion(given.question);
    if (question.status !== "open") {
      const how =
        question.status === "answered"
          ? `answered by ${question.answered_by ?? "somebody"}`
          : "void: its run has ended";
      throw new AlreadyDecidedError(`This question is no longer open: it is ${how}. Your answer was not used.`, {
        details: { question: given.question, status: question.status },
      });
    }
    const cannot = cannotAnswer(question, by);
    if (cannot) throw cannot;
    const answer = fittingJson(question, given.answer);
    await sql.query(
      `update questions set status = 'answered', answered_at = clock_timestamp(), answered_by = $2, answer = $3
       where question_id = $1`,
      [given.question, by.name, answer],
    );
    const answered = { effect: question.effect, answer: given.answer, by: actorOf(by) };
    const woken = await context.deliver(sql, question.run_id, {
      id: `answered:${given.question}`,
      kind: "human",
      data: canonicalJson(answered),
    });
    return woken ? { run: question.run_id, agent: woken.agent } : null;
  });
}

/** Why this person may not answer, or null if they may. */
function cannotAnswer(question: { readonly pool: string }, by: Principal): NotInPoolError | null {
  if (by.pools.includes(question.pool)) return null;
  return new NotInPoolError(
    `This question is for the pool "${question.pool}", and you are not in it. An admin can add you: npx signalbox users pool ${by.name} ${question.pool}`,
    { details: { pool: question.pool } },
  );
}

/** The answer as canonical JSON. @throws {@link InvalidAnswerError} if it does not fit the question */
function fittingJson(question: QuestionRow, answer: JsonValue): string {
  const fits = z
    .fromJSONSchema(JSON.parse(question.answer_schema) as Parameters<typeof z.fromJSONSchema>[0])
    .safeParse(answer);
  let problems = fits.success
    ? []
    : fits.error.issues
        .slice(0, 3)
        .map((issue) => `${issue.path.map(String).join(".") || "the answer"}: ${issue.message}`);
  try {
    if (problems.length === 0) return canonicalJson(answer);
  } catch (error) {
    if (!(error instanceof NotCanonicalError)) throw error;
    problems = [error.message];
  }
  throw new InvalidAnswerError(`The answer does not fit the question: ${problems.join("; ")}. Nothing was recorded.`, {
    details: { question: question.question_id, problems },
  });
}

function pageOf(
  database: Database,
  query: z.output<typeof questionsQuery>,
): Promise<{ readonly rows: readonly QuestionRow[]; readonly next: string | null }> {
  return pageOfParts(
    query.status === "all" ? ["waits", "past"] : query.status === "open" ? ["waits"] : ["past"],
    query,
    (part, after, limit) => {
      const { condition, place, order, beyond } = part === "waits" ? OPEN : PAST;
      const rest =
        after === null ? "" : ` and (${place}) ${beyond} (select ${place} from questions q where question_id = $2)`;
      return database.query<QuestionRow>(
        `${SELECT} where ${condition}${rest} order by ${order} limit $1`,
        after === null ? [limit] : [limit, after],
      );
    },
    (row) => row.question_id,
  );
}

const OPEN = {
  condition: "q.status = 'open'",
  place: "q.asked_at, q.question_id",
  beyond: ">",
  order: "q.asked_at, q.question_id",
};
const PAST = {
  condition: "q.status <> 'open'",
  place: "coalesce(q.answered_at, q.asked_at), q.question_id",
  beyond: "<",
  order: "coalesce(q.answered_at, q.asked_at) desc, q.question_id desc",
};

function noQuestion(question: string): NotFoundError {
  return new NotFoundError(`There is no question ${question}. "npx signalbox questions ls" shows what is open.`, {
    details: { question },
  });
}

function shownTo(reader: Principal, question: Question): QuestionView {
  return { ...question, cannotAnswer: cannotAnswer(question, reader)?.message ?? null };
}

function toQuestion(row: QuestionRow): Question {
  return {
    question: row.question_id,
    session: row.session_id,
    sessionKey: row.session_key,
    run: row.run_id,
    effect: row.effect,
    agent: row.agent,
    pool: row.pool,
    text: row.question,
    answer: JSON.parse(row.answer_schema) as JsonObject,
    startedBy: { kind: row.starter_kind, id: row.starter_id },
    status: row.status,
    askedAt: row.asked_at,
    answered:
      row.answered_by === null || row.answered_at === null || row.answer === null
        ? null
        : { by: row.answered_by, at: row.answered_at, value: JSON.parse(row.answer) as JsonValue },
  };
}
