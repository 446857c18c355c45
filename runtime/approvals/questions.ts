import { z } from "zod";
import { canonicalJson, NotCanonicalError } from "../core/canonical.ts";
import type { Database } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { actorOf, type Principal } from "../core/people.ts";
import type { Deliver } from "./decide.ts";
import { AlreadyDecidedError, InvalidAnswerError, NotInPoolError } from "./errors.ts";

/** A question that an agent put to people, with everything that an answer needs. */
export interface QuestionView {
  readonly question: string;
  readonly session: string;
  readonly run: string;
  readonly agent: string;
  readonly pool: string;
  readonly text: string;
  /** The JSON Schema of the answer. */
  readonly answer: JsonObject;
  readonly status: "open" | "answered" | "void";
  readonly askedAt: number;
  readonly answeredBy: string | null;
}

interface QuestionRow {
  readonly question_id: string;
  readonly session_id: string;
  readonly run_id: string;
  readonly effect: string;
  readonly agent: string;
  readonly pool: string;
  readonly question: string;
  readonly answer_schema: string;
  readonly status: QuestionView["status"];
  readonly asked_at: number;
  readonly answered_by: string | null;
}

/** Questions that are not open any more: a list shows at most so many. */
const PAST_LIMIT = 200;

const SELECT = `
select question_id, session_id, run_id, effect, agent, pool, question, answer_schema, status, answered_by,
  (extract(epoch from asked_at) * 1000)::bigint as asked_at
from questions`;

/** Open questions, oldest first; with `all`, then the past ones, newest first. */
export async function listQuestions(
  database: Database,
  query: { readonly all?: boolean } = {},
): Promise<readonly QuestionView[]> {
  const open = await database.query<QuestionRow>(`${SELECT} where status = 'open' order by asked_at, question_id`);
  const past =
    query.all === true
      ? await database.query<QuestionRow>(
          `${SELECT} where status <> 'open' order by asked_at desc, question_id limit $1`,
          [PAST_LIMIT],
        )
      : [];
  return [...open, ...past].map(toView);
}

/**
 * Answers a question of an agent. The answer reaches the run in the same transaction, as it was given:
 * nothing of it is converted.
 *
 * @returns the run to wake.
 * @throws {@link NotFoundError}, {@link AlreadyDecidedError} if it is no longer open, {@link NotInPoolError},
 *   {@link InvalidAnswerError} if the answer does not fit the question's schema.
 */
export async function answerQuestion(
  context: { readonly database: Database; readonly deliver: Deliver },
  by: Principal,
  given: { readonly question: string; readonly answer: JsonValue },
): Promise<{ readonly run: string; readonly agent: string } | null> {
  return context.database.transaction(async (sql) => {
    const [question] = await sql.query<QuestionRow>(`${SELECT} where question_id = $1 for update`, [given.question]);
    if (!question)
      throw new NotFoundError(`There is no question ${given.question}.`, { details: { question: given.question } });
    if (question.status !== "open") {
      const how =
        question.status === "answered"
          ? `answered by ${question.answered_by ?? "somebody"}`
          : "void: its run has ended";
      throw new AlreadyDecidedError(`This question is no longer open: it is ${how}. Your answer was not used.`, {
        details: { question: given.question, status: question.status },
      });
    }
    if (!by.pools.includes(question.pool)) {
      throw new NotInPoolError(
        `This question is for the pool "${question.pool}", and you are not in it. An admin can add you: npx signalbox users pool ${by.name} ${question.pool}`,
        { details: { pool: question.pool } },
      );
    }
    assertFits(question, given.answer);
    await sql.query(
      "update questions set status = 'answered', answered_at = clock_timestamp(), answered_by = $2 where question_id = $1",
      [given.question, by.name],
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

function assertFits(question: QuestionRow, answer: JsonValue): void {
  const fits = z
    .fromJSONSchema(JSON.parse(question.answer_schema) as Parameters<typeof z.fromJSONSchema>[0])
    .safeParse(answer);
  const problems = fits.success
    ? notCanonical(answer)
    : fits.error.issues
        .slice(0, 3)
        .map((issue) => `${issue.path.map(String).join(".") || "the answer"}: ${issue.message}`);
  if (problems.length === 0) return;
  throw new InvalidAnswerError(`The answer does not fit the question: ${problems.join("; ")}. Nothing was recorded.`, {
    details: { question: question.question_id, problems },
  });
}

function notCanonical(answer: JsonValue): string[] {
  try {
    canonicalJson(answer);
    return [];
  } catch (error) {
    if (error instanceof NotCanonicalError) return [error.message];
    throw error;
  }
}

function toView(row: QuestionRow): QuestionView {
  return {
    question: row.question_id,
    session: row.session_id,
    run: row.run_id,
    agent: row.agent,
    pool: row.pool,
    text: row.question,
    answer: JSON.parse(row.answer_schema) as JsonObject,
    status: row.status,
    askedAt: row.asked_at,
    answeredBy: row.answered_by,
  };
}
