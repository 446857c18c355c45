import { readExpected, type ExpectedClaim } from "../../agents/claims/index.ts";
import type { ApprovalView } from "../../runtime/core/protocol.ts";
import type { RunningConsole } from "../../runtime/platform/console-process.ts";

const DAY_MS = 86_400_000;
const POLL_MS = 100;

/** Two people of every pool who started nothing, and who work through the console's HTTP API alone. */
export interface Operators extends AsyncDisposable {
  /** What they have decided, by approval. */
  readonly decided: ReadonlyMap<string, "approve" | "reject">;
}

/**
 * Scripted operators: each looks at what waits, and decides as the hand-written expectations say. A call
 * that nobody expected to be held is rejected, which shows in the outcome.
 */
export async function startOperators(console: RunningConsole, pools: readonly string[]): Promise<Operators> {
  const expected = new Map((await readExpected()).map((claim) => [claim.key, claim]));
  const decided = new Map<string, "approve" | "reject">();
  const stopping = new AbortController();
  const work = ["olga", "otto"].map(async (name) => {
    await console.people.addUser({ name, roles: ["operator"] });
    for (const pool of pools) await console.people.addToPool(pool, name);
    const { secret } = await console.people.createToken({ user: name, name: "demo", expiresInMs: DAY_MS });
    const api = client(console.url, secret);
    while (!stopping.signal.aborted) {
      const { approvals } = await api<{ approvals: ApprovalView[] }>("GET", "/api/approvals?status=pending");
      for (const approval of approvals) {
        if (approval.cannotDecide !== null || approval.decisions.some((one) => one.by === name)) continue;
        const { decision, reason } = wordOn(approval, expected);
        const done = await api<ApprovalView | { error: { code: string } }>(
          "POST",
          `/api/approvals/${approval.approval}/decide`,
          {
            decision,
            reason,
            argsHash: approval.argsHash,
          },
        );
        // The other one may have been quicker; anything else would be a fault and shows in the counts.
        if (!("error" in done)) decided.set(approval.approval, decision);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  });
  return {
    decided,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await Promise.all(work);
    },
  };
}

function wordOn(
  approval: ApprovalView,
  expected: ReadonlyMap<string, ExpectedClaim>,
): { decision: "approve" | "reject"; reason: string } {
  const { claimId } = approval.input as { claimId: string };
  const claim = expected.get(claimId);
  const said = claim && claim.outcome !== "rejected" ? claim.operator : undefined;
  return said ?? { decision: "reject", reason: "Nobody expected this payment to be held." };
}

type Api = <T>(method: "GET" | "POST", path: string, body?: unknown) => Promise<T>;

function client(url: string, token: string): Api {
  return async <T>(method: string, path: string, body?: unknown) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return (await response.json()) as T;
  };
}
