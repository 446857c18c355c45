import { z } from "zod";
import { issues, plain } from "./arguments.ts";
import { decode } from "./codec.ts";
import { CallFailedError, InvalidArgumentsError, InvalidOutputError } from "./errors.ts";
import { passGate } from "./gate.ts";

/** People answer when they answer: this bounds nothing, a question is put and not called. */
const NOT_CALLED_MS = 30_000;

/** Puts a question to the people of a pool. What they may answer is a schema, and is checked when it comes and when it is read. */
export async function askPerson<Answer extends z.ZodType>({
  question,
  pool,
  answer,
}: {
  readonly question: string;
  readonly pool: string;
  readonly answer: Answer;
}): Promise<z.output<Answer>> {
  const outcome = await passGate({
    kind: "human",
    action: "human.ask",
    resource: pool,
    class: "idempotent",
    input: plain({ question, pool, answer: answerSchema(answer) }, "human.ask"),
    judged: true,
    timeoutMs: NOT_CALLED_MS,
    perform: () => Promise.reject(new Error("A question is put, not called.")),
  });
  if (!outcome.ok) throw new CallFailedError("human.ask", outcome.error);
  const parsed = answer.safeParse(decode(outcome.value));
  if (parsed.success) return parsed.data;
  throw new InvalidOutputError(
    `The answer to "${question}" does not fit the schema that the agent asked it with: ${issues(parsed.error)}. Say in the question, or in the schema, what an answer must be.`,
    { details: { pool } },
  );
}

/** The JSON Schema of what a person has to type, before any transformation. */
function answerSchema(answer: z.ZodType): unknown {
  try {
    const { $schema: _, ...schema } = z.toJSONSchema(answer, { io: "input" });
    return schema;
  } catch (error) {
    throw new InvalidArgumentsError(
      `The answer's schema of human.ask cannot be shown to a person: ${error instanceof Error ? error.message : String(error)}. Use text, numbers, booleans, enums, objects and lists.`,
      { cause: error },
    );
  }
}
