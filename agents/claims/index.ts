/** The claims team: what a configuration needs to run it, and what a demo needs to check it. */
import type { Sample } from "signalbox";
import { archivist } from "./archivist.ts";
import { assessor } from "./assessor.ts";
import { fraud } from "./fraud.ts";
import { intake } from "./intake.ts";
import { readFeed } from "./feed.ts";
import { pastClaims } from "./past-claims.ts";
import { payout } from "./payout.ts";

export { differences, readExpected, statusOf, type ExpectedClaim } from "./expected.ts";
export { parseFeed, readFeed, type FeedItem } from "./feed.ts";
export { claimsFolder, ledgerFromEnvironment, openLedger, type Ledger, type Payment } from "./ledger.ts";
export { MEMORY_NAMESPACE, pastClaims } from "./past-claims.ts";
export { outcomeSchema, type Outcome } from "./claim.ts";
export { outboxFolder } from "./outbox.ts";
export { archivist, assessor, fraud, intake, payout };

export const claimsAgents = [intake, assessor, fraud, payout, archivist];

/** The pools that the team's rules name, each with what it is for. */
export const claimsPools = {
  "claims-adjusters": "Decide on larger payments and on claims with a signal of fraud.",
  finance: "Two of them decide on the largest payments.",
};

/**
 * What a fresh installation starts with: first the archivist, who fills memory with the closed claims of
 * earlier years, then one session of `intake` for each line of the feed.
 */
export async function claimsSamples(): Promise<[archive: Sample, feed: Sample]> {
  const [feed, items] = await Promise.all([readFeed(), pastClaims()]);
  return [
    { agent: archivist.name, startedBy: "claims-archive", runs: [{ key: "past-claims-1", input: { items } }] },
    {
      agent: intake.name,
      startedBy: "claims-feed",
      runs: feed.map(({ key, input: { record, unreadable } }) => ({
        key,
        input: unreadable === undefined ? { record } : { record, unreadable },
      })),
    },
  ];
}
