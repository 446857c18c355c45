import { canonicalJson, sha256 } from "../core/canonical.ts";
import type { DecidedApproval, EffectRecord } from "../core/effect-record.ts";
import type { Proposal } from "../core/events.ts";
import { derivedUuid } from "../core/ids.ts";
import type { Verdict } from "../core/verdict.ts";
import type { Attempt } from "./attempt.ts";
import type { Call } from "./call.ts";
import { intend, refuse, type Passed } from "./make-call.ts";
import type { NodeExecution } from "./node-execution.ts";

/** Shows a call to the people whom a rule asks, and waits for their word. */
export async function hold(
  execution: NodeExecution,
  proposal: Proposal,
  verdict: Verdict,
  need: NonNullable<Verdict["approval"]>,
): Promise<Passed> {
  const { attempt } = execution;
  const approval = derivedUuid(attempt.head.run, proposal.effect, "approval");
  const argsHash = approvalHash(attempt, proposal, verdict);
  const expiresAt = Math.trunc(attempt.now() + need.ttlMs);
  await attempt.append([{ type: "effect_held", data: { ...proposal, verdict, approval, argsHash, expiresAt } }], {
    linger: false,
    views: [
      {
        view: "approval_requested",
        approval,
        effect: proposal.effect,
        tool: proposal.name,
        toolVersion: proposal.version ?? "",
        input: proposal.input,
        argsHash,
        verdict,
        pool: need.pool,
        approvers: need.approvers,
        startedBy: attempt.startedBy,
        expiresAt,
      },
    ],
  }).durable;
  return execution.wait({ kind: "approval", effect: proposal.effect, approval });
}

/** A held call, on a later attempt: still waiting, refused by people, or approved and judged once more. */
export async function goOnHeld(
  execution: NodeExecution,
  call: Call,
  recorded: EffectRecord & { readonly status: "held" },
): Promise<Passed> {
  const { attempt } = execution;
  const { decided, proposal } = recorded;
  if (!decided) return execution.wait({ kind: "approval", effect: proposal.effect, approval: recorded.approval });
  if (decided.outcome !== "approved") {
    return refuse(execution, call, proposal, {
      ...recorded.verdict,
      decision: "deny",
      reason: refusalReason(recorded.verdict, decided),
    });
  }
  // What was shown is what was decided is what runs: also the tool must still be the one that was shown.
  const argsHash = approvalHash(attempt, { ...proposal, version: call.version }, recorded.verdict);
  if (decided.argsHash !== recorded.argsHash || argsHash !== recorded.argsHash) {
    return refuse(execution, call, proposal, {
      ...recorded.verdict,
      decision: "deny",
      reason: "What was approved is not what would be called.",
      fault: "args_mismatch",
    });
  }
  // The rules may have changed while people thought about it: what is stricter now counts.
  const verdict = attempt.judge(call, true);
  if (verdict.decision !== "allow") return refuse(execution, call, proposal, { ...verdict, decision: "deny" });
  return intend(execution, call, proposal, verdict, recorded.approval);
}

function refusalReason(verdict: Verdict, decided: DecidedApproval): string {
  if (decided.outcome === "expired") return `Nobody decided in time. ${verdict.reason}`;
  const rejection = decided.decisions.find((decision) => decision.decision === "reject");
  return rejection ? `${rejection.by.id} rejected it: ${rejection.reason}` : "It was rejected.";
}

/** What a decision is bound to: run, effect, tool, version, arguments and rule set. */
function approvalHash(
  attempt: Attempt,
  proposal: Pick<Proposal, "effect" | "name" | "input" | "version">,
  verdict: Verdict,
): string {
  return sha256(
    canonicalJson({
      run: attempt.head.run,
      effect: proposal.effect,
      tool: proposal.name,
      version: proposal.version ?? "",
      input: proposal.input,
      ruleSet: verdict.ruleSet,
      requester: attempt.head.agent,
    }),
  );
}
