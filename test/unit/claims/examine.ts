import { hashEmbedder } from "../../../memory/index.ts";
import type { Outcome, Proposal } from "../../../agents/claims/claim.ts";
import { coverOn } from "../../../agents/claims/cover.ts";
import { coverageOf, documentsNeeded } from "../../../agents/claims/coverage.ts";
import type { FeedItem } from "../../../agents/claims/feed.ts";
import { proposalOf, rejectedOutcome } from "../../../agents/claims/outcome.ts";
import {
  pastClaims,
  RECALL_LIMIT,
  RECALL_MIN_SCORE,
  resemblances,
  storyOf,
  type Recalled,
} from "../../../agents/claims/past-claims.ts";
import {
  accountsOnFile,
  documentsOf,
  earlierClaims,
  findPolicy,
  readWording,
} from "../../../agents/claims/registers.ts";
import { signalsOf } from "../../../agents/claims/signals.ts";
import { claimIdOf, matchPolicy, validateRecord } from "../../../agents/claims/validate.ts";
import { parseWording } from "../../../agents/claims/wording.ts";

export type Recall = (query: string) => Promise<Recalled[]>;

/** Memory as the team uses it, with the offline embedder and an exact search. */
export async function filledMemory(): Promise<Recall> {
  const past = await pastClaims();
  const vectors = await hashEmbedder.embed(past.map(({ text }) => text));
  return async (query) => {
    const [wanted = []] = await hashEmbedder.embed([query]);
    return past
      .map(({ data }, i) => ({ claim: data, score: dot(wanted, vectors[i] ?? []) }))
      .filter(({ score }) => score >= RECALL_MIN_SCORE)
      .sort((a, b) => b.score - a.score)
      .slice(0, RECALL_LIMIT);
  };
}

export const emptyMemory: Recall = () => Promise.resolve([]);

export type Examined = { readonly rejected: Outcome } | { readonly proposal: Proposal };

/** What the agents find out about one line of the feed, by their pure functions alone. */
export async function examine({ input }: FeedItem, recall: Recall): Promise<Examined> {
  const validated = validateRecord(input.record, input.unreadable);
  if (!validated.ok) return { rejected: rejectedOutcome(claimIdOf(input.record), validated.rejection) };
  const { claim } = validated;
  const policy = await findPolicy(claim.policyId);
  const mismatch = matchPolicy(claim, policy);
  if (mismatch) return { rejected: rejectedOutcome(claim.claimId, mismatch) };
  if (!policy) throw new Error("A missing policy is a mismatch.");
  const wording = parseWording(await readWording(claim.line));
  const { rejection, steps, ...coverage } = coverageOf(claim, policy, wording);
  if (rejection) return { rejected: rejectedOutcome(claim.claimId, rejection) };
  const { inForce, sentence, since } = coverOn(policy, claim.lossDate);
  const recalled = await recall(storyOf(claim));
  const signals = signalsOf({
    claim,
    earlier: await earlierClaims(claim.policyId, claim),
    coveredSince: since,
    documentsNeeded: documentsNeeded(claim, wording),
    documentsOnFile: await documentsOf(claim.claimId),
    recalled,
    accountsOnFile: await accountsOnFile(claim.policyId),
  });
  const assessment = {
    ...coverage,
    steps: [...steps],
    policyInForce: inForce,
    cover: sentence,
    similar: resemblances(claim, recalled),
  };
  return { proposal: proposalOf({ claim, policy, assessment, signals }) };
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}
