import { readFile } from "node:fs/promises";
import { z } from "zod";
import { CURRENCIES, formatMinor } from "./money.ts";

/** The namespace of the shared memory in which past claims are remembered. */
export const MEMORY_NAMESPACE = "claims";
/** How many past claims are recalled at most. */
export const RECALL_LIMIT = 12;
/** What is less similar than this is not recalled at all (cosine similarity, 0 to 1). */
export const RECALL_MIN_SCORE = 0.1;
/** From here on two descriptions tell the same story, nearly word for word. */
export const SAME_STORY_SCORE = 0.9;

/** A claim of an earlier year, as it was closed. Amounts are in minor units. */
export const pastClaimSchema = z.object({
  claimId: z.string(),
  policyId: z.string(),
  line: z.string(),
  peril: z.string(),
  item: z.string(),
  lossDate: z.iso.date(),
  currency: z.enum(CURRENCIES),
  claimedMinor: z.int().positive(),
  paidMinor: z.int().nonnegative(),
  description: z.string(),
});
export type PastClaim = z.infer<typeof pastClaimSchema>;

/** A past claim that memory found, with how similar its story is. */
export interface Recalled {
  readonly claim: PastClaim;
  readonly score: number;
}

/** A claim as a text that memory can compare: what happened to what, and how it is told. */
export function storyOf(claim: {
  readonly line: string;
  readonly peril: string;
  readonly item: string;
  readonly description: string;
}): string {
  // Characters that nobody sees (controls, direction marks, soft hyphens) would only blur the comparison.
  const described = claim.description.normalize("NFC").replace(/[\p{Cc}\p{Cf}]/gu, "");
  return `${claim.line}, ${claim.peril}, ${claim.item}: ${described}`;
}

/**
 * The closed claims of earlier years, to be remembered (by the agent `archivist`): the text that is
 * compared by meaning, and the facts.
 */
export async function pastClaims(): Promise<{ text: string; data: PastClaim }[]> {
  const text = await readFile(new URL("./data/past-claims.jsonl", import.meta.url), "utf8");
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => pastClaimSchema.parse(JSON.parse(line)))
    .map((claim) => ({ text: storyOf(claim), data: claim }));
}

/** What memory gave back, as past claims; anything else in the namespace is left out. */
export function recalledClaims(items: readonly { readonly data: unknown; readonly score?: number }[]): Recalled[] {
  return items.flatMap(({ data, score }) => {
    const parsed = pastClaimSchema.safeParse(data);
    return parsed.success ? [{ claim: parsed.data, score: score ?? 0 }] : [];
  });
}

/** The recalled claims about the same kind of thing, in a sentence each. */
export function resemblances(
  claim: { readonly peril: string; readonly item: string },
  recalled: readonly Recalled[],
): string[] {
  return recalled
    .filter(({ claim: past }) => past.peril === claim.peril && past.item === claim.item)
    .map(({ claim: past }) => {
      const claimed = formatMinor(past.claimedMinor, past.currency);
      const paid = formatMinor(past.paidMinor, past.currency);
      return `${past.claimId} of ${past.lossDate} (${past.item}): ${claimed} claimed, ${paid} paid.`;
    });
}
