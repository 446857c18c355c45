import { createHash } from "node:crypto";
import { defineTool } from "signalbox";
import { z } from "zod";
import { LINES, policySchema, proposalSchema } from "./claim.ts";
import { ledgerFromEnvironment, type Payment } from "./ledger.ts";
import { fileLetter, outboxFolder } from "./outbox.ts";
import { accountsOnFile, documentsOf, earlierClaims, findPolicy, readWording } from "./registers.ts";

export const findPolicyTool = defineTool({
  name: "policies.find",
  description: "Looks a policy up by its number, with the accounts that money may go to.",
  effect: "read",
  input: z.object({ policyId: z.string() }),
  output: z.object({ policy: policySchema.nullable(), accountsOnFile: z.array(z.string()) }),
  run: async ({ policyId }) => ({
    policy: await findPolicy(policyId),
    accountsOnFile: await accountsOnFile(policyId),
  }),
});

export const readWordingTool = defineTool({
  name: "wordings.read",
  description: "Reads the policy wording of a line of business. Its hash says which edition was applied.",
  effect: "read",
  input: z.object({ line: z.enum(LINES) }),
  output: z.object({ text: z.string(), sha256: z.string() }),
  run: async ({ line }) => {
    const text = await readWording(line);
    return { text, sha256: createHash("sha256").update(text).digest("hex") };
  },
});

export const claimsHistoryTool = defineTool({
  name: "claims.history",
  description: "Lists the claims that were reported on a policy this year, before the one that is named.",
  effect: "read",
  input: z.object({ policyId: z.string(), claimId: z.string(), reportedOn: z.string() }),
  output: z.object({
    earlier: z.array(
      z.object({
        claimId: z.string(),
        peril: z.string(),
        item: z.string(),
        lossDate: z.string(),
        claimedMinor: z.int(),
      }),
    ),
  }),
  run: async ({ policyId, claimId, reportedOn }) => ({
    earlier: await earlierClaims(policyId, { claimId, reportedOn }),
  }),
});

export const listDocumentsTool = defineTool({
  name: "documents.list",
  description: "Lists the kinds of documents that have arrived for a claim.",
  effect: "read",
  input: z.object({ claimId: z.string() }),
  output: z.object({ documents: z.array(z.string()) }),
  run: async ({ claimId }) => ({ documents: await documentsOf(claimId) }),
});

export const payoutTool = defineTool({
  name: "payments.payout",
  description: "Pays a claim. The bank books whatever it is told, as often as it is told.",
  effect: "irreversible",
  input: proposalSchema,
  output: z.object({ receipt: z.string() }),
  timeoutMs: 6_000,
  run: async (proposal, { effectId, signal }) => {
    const payment: Payment = {
      key: effectId,
      receipt: receiptOf(effectId),
      claimId: proposal.claimId,
      policyId: proposal.policyId,
      payee: proposal.payee.name,
      iban: proposal.payee.iban,
      amountMinor: proposal.amountMinor,
      currency: proposal.currency,
    };
    await ledgerFromEnvironment().book(payment, signal);
    return { receipt: payment.receipt };
  },
  reconcile: async (_proposal, { effectId }) => {
    const payment = await ledgerFromEnvironment().findPayment(effectId);
    return payment && { receipt: payment.receipt };
  },
});

export const fileLetterTool = defineTool({
  name: "letters.file",
  description: "Files a letter to the claimant in the outbox, from where it is posted.",
  effect: "idempotent",
  input: z.object({ claimId: z.string(), to: z.string(), subject: z.string(), body: z.string() }),
  output: z.object({ file: z.string() }),
  run: async ({ claimId, to, subject, body }, { effectId }) => ({
    file: await fileLetter(outboxFolder(), claimId, effectId, { to, subject, body }),
  }),
});

/** Derived from the key, so that a call and its reconciliation give the same receipt. */
function receiptOf(key: string): string {
  return `PAY-${createHash("sha256").update(key).digest("hex").slice(0, 10).toUpperCase()}`;
}
