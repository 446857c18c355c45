import { readFile } from "node:fs/promises";
import { z } from "zod";
import { partnerSchema, policySchema, type Claim, type Policy } from "./claim.ts";
import { readFeed } from "./feed.ts";
import type { EarlierClaim } from "./signals.ts";
import { validateRecord } from "./validate.ts";

/**
 * The insurer's registers, which a real team would ask over the network. Each call reads its file anew:
 * nothing is kept, so what a tool returns depends on the file alone and not on which claims ran before.
 */
const policiesFile = z.object({ policies: z.array(policySchema), partners: z.array(partnerSchema) });
const documentsFile = z.record(z.string(), z.array(z.string()));

export async function findPolicy(policyId: string): Promise<Policy | null> {
  const { policies } = await readPolicies();
  return policies.find((policy) => policy.policyId === policyId) ?? null;
}

/** The accounts that money may go to without a question: the policy's own and those of the partners. */
export async function accountsOnFile(policyId: string): Promise<string[]> {
  const { policies, partners } = await readPolicies();
  const own = policies.find((policy) => policy.policyId === policyId);
  return [...(own ? [own.iban] : []), ...partners.map(({ iban }) => iban)];
}

/** The kinds of documents that have arrived for a claim, for example `police_report`. */
export async function documentsOf(claimId: string): Promise<string[]> {
  return documentsFile.parse(JSON.parse(await read("documents.json")))[claimId] ?? [];
}

/**
 * The claims of this year's feed that were reported on a policy before a given one: on an earlier day,
 * or on the same day under a lower id. Records that are no claims are left out.
 */
export async function earlierClaims(
  policyId: string,
  before: { readonly claimId: string; readonly reportedOn: string },
): Promise<EarlierClaim[]> {
  const onPolicy = (await readFeed()).filter(({ input }) => namesPolicy(input.record, policyId));
  const claims = onPolicy.flatMap(({ input }) => {
    const validated = validateRecord(input.record, input.unreadable);
    return validated.ok ? [validated.claim] : [];
  });
  return claims
    .filter((claim) => isBefore(claim, before))
    .map(({ claimId, peril, item, lossDate, claimedMinor }) => ({ claimId, peril, item, lossDate, claimedMinor }));
}

/** The text of the policy wording of a line of business, in Markdown. */
export function readWording(line: Claim["line"]): Promise<string> {
  return read(`wording-${line}.md`);
}

function namesPolicy(record: unknown, policyId: string): boolean {
  return typeof record === "object" && record !== null && "policyId" in record && record.policyId === policyId;
}

function isBefore(
  claim: Pick<Claim, "claimId" | "reportedOn">,
  other: { readonly claimId: string; readonly reportedOn: string },
): boolean {
  return claim.reportedOn === other.reportedOn ? claim.claimId < other.claimId : claim.reportedOn < other.reportedOn;
}

export async function readPolicies(): Promise<z.infer<typeof policiesFile>> {
  return policiesFile.parse(JSON.parse(await read("policies.json")));
}

function read(file: string): Promise<string> {
  return readFile(new URL(`./data/${file}`, import.meta.url), "utf8");
}
