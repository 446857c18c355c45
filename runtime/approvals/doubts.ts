import type { z } from "zod";
import { assertDecider } from "../core/authority.ts";
import { canonicalJson, NotCanonicalError } from "../core/canonical.ts";
import type { Database } from "../core/database.ts";
import { InvalidInputError, NotFoundError } from "../core/errors.ts";
import type { EventData } from "../core/events.ts";
import type { JsonValue } from "../core/json.ts";
import { actorOf, type Principal } from "../core/people.ts";
import { assertStorableReason, type Deliver } from "./decide.ts";
import { AlreadyDecidedError, InvalidResultError } from "./errors.ts";

export interface DoubtResolution {
  readonly run: string;
  readonly effect: string;
  readonly resolution: "happened" | "did_not_happen" | "give_up";
  /** What the call returned, where it happened. */
  readonly result?: JsonValue | undefined;
  readonly reason: string;
}

/** What checks the result that a person gives; undefined where the tool is not known here. */
export type ResultSchemaOf = (call: { readonly agent: string; readonly tool: string }) => z.ZodType | undefined;

/**
 * Settles a call of which nobody knows whether it happened.
 *
 * @returns the run to wake.
 * @throws `ForbiddenError` for whoever is no operator, {@link NotFoundError} if the call was never in doubt,
 *   {@link AlreadyDecidedError} if it is no longer, {@link InvalidInputError} if the reason or the result cannot be
 *   recorded, {@link InvalidResultError} if the tool never returns what is said to be its result.
 */
export async function resolveDoubt(
  context: { readonly database: Database; readonly deliver: Deliver; readonly resultSchemaOf?: ResultSchemaOf },
  by: Principal,
  resolution: DoubtResolution,
): Promise<{ readonly run: string; readonly agent: string } | null> {
  assertDecider(by, "say what became of a call");
  assertStorableReason(resolution.reason);
  return context.database.transaction(async (sql) => {
    const [doubt] = await sql.query<{ resolved: boolean; since: number; agent: string; tool: string }>(
      `select resolved_at is not null as resolved, (extract(epoch from since) * 1000)::bigint as since, agent, tool
       from doubts where run_id = $1 and effect = $2 for update`,
      [resolution.run, resolution.effect],
    );
    if (!doubt) throw new NotFoundError(`The call ${resolution.effect} of the run ${resolution.run} is not in doubt.`);
    if (doubt.resolved) {
      throw new AlreadyDecidedError("Somebody has settled this call already. Your answer was not used.", {
        details: { run: resolution.run, effect: resolution.effect },
      });
    }
    if (resolution.resolution === "happened")
      assertFits(context.resultSchemaOf?.(doubt), doubt.tool, resolution.result);
    await sql.query("update doubts set resolved_at = clock_timestamp() where run_id = $1 and effect = $2", [
      resolution.run,
      resolution.effect,
    ]);
    const data: Omit<EventData<"doubt_resolved">, "message"> = {
      effect: resolution.effect,
      resolution: resolution.resolution,
      ...(resolution.result === undefined ? {} : { result: resolution.result }),
      by: actorOf(by),
      reason: resolution.reason,
    };
    const woken = await context.deliver(sql, resolution.run, {
      id: `doubt:${resolution.effect}:${String(doubt.since)}`,
      kind: "doubt",
      data: recordable(data),
    });
    return woken ? { run: resolution.run, agent: woken.agent } : null;
  });
}

/** Once recorded, a result that does not fit would fail the run, though the call did happen. */
function assertFits(schema: z.ZodType | undefined, tool: string, result: JsonValue | undefined): void {
  const parsed = schema?.safeParse(result ?? null);
  if (!parsed || parsed.success) return;
  const problems = parsed.error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.map(String).join(".") || "the result"}: ${issue.message}`);
  throw new InvalidResultError(
    `${tool} never returns such a result: ${problems.join("; ")}. Nothing was settled; say again what it returned.`,
    { details: { tool, problems } },
  );
}

function recordable(data: Omit<EventData<"doubt_resolved">, "message">): string {
  try {
    return canonicalJson(data);
  } catch (error) {
    if (!(error instanceof NotCanonicalError)) throw error;
    throw new InvalidInputError(`${error.message} Nothing was settled.`, { details: error.details, cause: error });
  }
}
