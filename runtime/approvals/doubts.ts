import { canonicalJson, NotCanonicalError } from "../core/canonical.ts";
import type { Database } from "../core/database.ts";
import { InvalidInputError, NotFoundError } from "../core/errors.ts";
import type { EventData } from "../core/events.ts";
import type { JsonValue } from "../core/json.ts";
import { actorOf, type Principal } from "../core/people.ts";
import { assertStorableReason, type Deliver } from "./decide.ts";
import { AlreadyDecidedError } from "./errors.ts";

export interface DoubtResolution {
  readonly run: string;
  readonly effect: string;
  readonly resolution: "happened" | "did_not_happen" | "give_up";
  /** What the call returned, where it happened. */
  readonly result?: JsonValue | undefined;
  readonly reason: string;
}

/**
 * Settles a call of which nobody knows whether it happened.
 *
 * @returns the run to wake.
 * @throws {@link NotFoundError} if the call was never in doubt, {@link AlreadyDecidedError} if it is no longer,
 *   {@link InvalidInputError} if the reason or the result cannot be recorded.
 */
export async function resolveDoubt(
  context: { readonly database: Database; readonly deliver: Deliver },
  by: Principal,
  resolution: DoubtResolution,
): Promise<{ readonly run: string; readonly agent: string } | null> {
  assertStorableReason(resolution.reason);
  return context.database.transaction(async (sql) => {
    const [doubt] = await sql.query<{ resolved: boolean; since: number }>(
      `select resolved_at is not null as resolved, (extract(epoch from since) * 1000)::bigint as since
       from doubts where run_id = $1 and effect = $2 for update`,
      [resolution.run, resolution.effect],
    );
    if (!doubt) throw new NotFoundError(`The call ${resolution.effect} of the run ${resolution.run} is not in doubt.`);
    if (doubt.resolved) {
      throw new AlreadyDecidedError("Somebody has settled this call already. Your answer was not used.", {
        details: { run: resolution.run, effect: resolution.effect },
      });
    }
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

function recordable(data: Omit<EventData<"doubt_resolved">, "message">): string {
  try {
    return canonicalJson(data);
  } catch (error) {
    if (!(error instanceof NotCanonicalError)) throw error;
    throw new InvalidInputError(`${error.message} Nothing was settled.`, { details: error.details, cause: error });
  }
}
