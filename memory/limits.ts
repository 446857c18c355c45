import { z } from "zod";
import type { RecallInput, RememberInput } from "../runtime/core/memory.ts";
import { InvalidMemoryError } from "./errors.ts";

/** How many memories one recall gives unless it says otherwise, and at most. */
const DEFAULT_LIMIT = 10;
const MAX_LIMIT = 200;
const MAX_NAMESPACE_LENGTH = 200;
/** About 20 pages. What is longer says too many things to be found by one vector. */
const MAX_TEXT_LENGTH = 64 * 1024;

// Postgres holds neither NUL nor half a surrogate pair. The driver would send the latter as U+FFFD, and
// two different namespaces would become one.
const storable = z
  .string()
  .refine((text) => text.isWellFormed() && !text.includes("\0"), "holds a NUL or half of a surrogate pair");
const namespace = storable.min(1, "is empty").max(MAX_NAMESPACE_LENGTH, "is longer than 200 characters");
const text = storable
  .max(MAX_TEXT_LENGTH, "is longer than 65,536 characters: remember it in parts")
  .refine((value) => value.trim() !== "", "is empty");

const rememberSchema = z.object({ id: z.uuid("is not a UUID"), namespace, text });
const recallSchema = z.object({
  namespace,
  query: text,
  limit: z.int("is not a whole number").min(1, "is below 1").max(MAX_LIMIT, "is above 200").default(DEFAULT_LIMIT),
  minScore: z.number("is not a number").min(0, "is below 0").max(1, "is above 1").optional(),
});

/** @throws {@link InvalidMemoryError} naming what cannot be remembered, and why. */
export function checkRemember(id: string, input: RememberInput): void {
  check("remember", rememberSchema.safeParse({ id, namespace: input.namespace, text: input.text }));
}

/**
 * @returns how many memories are asked for.
 * @throws {@link InvalidMemoryError} naming what cannot be recalled, and why.
 */
export function checkRecall(input: RecallInput): number {
  return check("recall", recallSchema.safeParse(input)).limit;
}

function check<T>(verb: "remember" | "recall", parsed: z.ZodSafeParseResult<T>): T {
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
  throw new InvalidMemoryError(`memory.${verb} was refused: ${problems.join("; ")}. Correct the call.`, {
    details: { problems },
  });
}
