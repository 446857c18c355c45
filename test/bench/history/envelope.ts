import type { Envelope } from "../../../runtime/core/bus.ts";
import { canonicalJson } from "../../../runtime/core/canonical.ts";

/** A message of the past as the outbox holds it. Nobody sends it any more, so nobody looks at its signature. */
export function envelopeOf(of: Omit<Envelope, "v" | "startedBy" | "deadline" | "budgetLeft" | "labels">): string {
  const envelope: Envelope = {
    ...{ v: 1, startedBy: { kind: "service", id: "intake" }, deadline: null, budgetLeft: 9_000, labels: [] },
    ...of,
  };
  return canonicalJson({ envelope, worker: "worker-1", signature: "A".repeat(88) });
}
