import { SIGNALS, type Claim, type Signal } from "./claim.ts";
import { daysBetween } from "./dates.ts";
import { formatMinor, median } from "./money.ts";
import { SAME_STORY_SCORE, type Recalled } from "./past-claims.ts";

/** An earlier claim of this year on the same policy. */
export interface EarlierClaim {
  readonly claimId: string;
  readonly peril: string;
  readonly item: string;
  readonly lossDate: string;
  readonly claimedMinor: number;
}

export interface Evidence {
  readonly claim: Claim;
  readonly earlier: readonly EarlierClaim[];
  /** From which day there has been cover without a gap; undefined if there was none on the day of the loss. */
  readonly coveredSince: string | undefined;
  readonly documentsNeeded: readonly string[];
  readonly documentsOnFile: readonly string[];
  /** Past claims that memory holds and that resemble this one. */
  readonly recalled: readonly Recalled[];
  /** Accounts that money may go to without a question: the policy's own, and those of partners. */
  readonly accountsOnFile: readonly string[];
}

const DUPLICATE_DAYS = 3;
const DUPLICATE_AMOUNT_PERCENT = 10;
const NEW_POLICY_DAYS = 14;
const SIMILAR_AT_LEAST = 3;
const SIMILAR_TIMES = 4;

/** What speaks for fraud, each with its reason. The same evidence always gives the same signals. */
export function signalsOf(evidence: Evidence): Signal[] {
  const reasons: Readonly<Record<Signal["signal"], string | undefined>> = {
    duplicate_claim: duplicate(evidence),
    similar_past_claim: similarPast(evidence),
    new_policy: newPolicy(evidence),
    amount_above_similar: aboveSimilar(evidence),
    documents_missing: documentsMissing(evidence),
    instructions_in_text: instructions(evidence.claim.description),
    payee_not_on_file: payeeUnknown(evidence),
  };
  return SIGNALS.flatMap((signal) => {
    const reason = reasons[signal];
    return reason === undefined ? [] : [{ signal, reason }];
  });
}

function duplicate({ claim, earlier }: Evidence): string | undefined {
  const other = earlier.find(
    (candidate) =>
      candidate.peril === claim.peril &&
      Math.abs(daysBetween(candidate.lossDate, claim.lossDate)) <= DUPLICATE_DAYS &&
      (candidate.item === claim.item || isAbout(candidate.claimedMinor, claim.claimedMinor)),
  );
  return other && `Claim ${other.claimId} on the same policy is for the same: ${other.item}, ${other.lossDate}.`;
}

function isAbout(a: number, b: number): boolean {
  return Math.abs(a - b) * 100 <= Math.max(a, b) * DUPLICATE_AMOUNT_PERCENT;
}

function similarPast({ claim, recalled }: Evidence): string | undefined {
  const other = recalled.find(
    ({ claim: past, score }) =>
      past.policyId === claim.policyId && past.item === claim.item && score >= SAME_STORY_SCORE,
  );
  if (!other) return undefined;
  const { claimId, lossDate } = other.claim;
  return `${claimId} of ${lossDate} told the same story of the same thing on the same policy.`;
}

function newPolicy({ claim, coveredSince }: Evidence): string | undefined {
  if (coveredSince === undefined) return undefined;
  const days = daysBetween(coveredSince, claim.lossDate);
  return days > NEW_POLICY_DAYS
    ? undefined
    : `The loss was ${String(days)} days after cover began or was resumed (${coveredSince}).`;
}

function aboveSimilar({ claim, recalled }: Evidence): string | undefined {
  const similar = recalled.filter(
    ({ claim: past }) => past.peril === claim.peril && past.item === claim.item && past.currency === claim.currency,
  );
  const usual = median(similar.map(({ claim: past }) => past.claimedMinor));
  if (usual === undefined || similar.length < SIMILAR_AT_LEAST) return undefined;
  if (claim.claimedMinor <= usual * SIMILAR_TIMES) return undefined;
  const claimed = formatMinor(claim.claimedMinor, claim.currency);
  return `${claimed} is more than ${String(SIMILAR_TIMES)} times the ${formatMinor(usual, claim.currency)} of ${String(similar.length)} similar past claims.`;
}

function documentsMissing({ documentsNeeded, documentsOnFile }: Evidence): string | undefined {
  const missing = documentsNeeded.filter((document) => !documentsOnFile.includes(document));
  return missing.length === 0 ? undefined : `Not on file: ${missing.join(", ")}.`;
}

/** Damage to others is paid to them, so their account is never on file. */
function payeeUnknown({ claim, accountsOnFile }: Evidence): string | undefined {
  if (claim.peril === "liability" || accountsOnFile.includes(claim.payee.iban)) return undefined;
  return `The account of ${claim.payee.name} belongs neither to the policy nor to a partner.`;
}

/**
 * Phrases with which a text speaks to the machine that reads it. No such text can change what is paid:
 * amount and payee come from the record's fields. The signal is there so that a person looks.
 */
const INSTRUCTIONS: readonly RegExp[] = [
  /\b(ignore|disregard|forget|override)\b[^.!?]{0,30}\b(rules?|instructions?|polic(y|ies)|guidelines)\b/i,
  /\b(skip|bypass|disable)\b[^.!?]{0,30}\b(checks?|rules?|approvals?|review)\b/i,
  /\b(system|assistant|developer)\s*(prompt|message)?\s*:/i,
  /\bpre-?approved\b/i,
  /\b(processing|ai|claims) (agent|assistant|model)\b/i,
  /\b(ignoriere?n?|missachte)\b[^.!?]{0,30}\b(regeln?|anweisungen|vorgaben)\b/i,
  /\b(ignore[zr]?|oublie[zr]?)\b[^.!?]{0,30}(règles|consignes|instructions)/i,
];

function instructions(description: string): string | undefined {
  // Invisible characters hide a phrase from people and from patterns, but not from a model.
  const visible = description.normalize("NFKC").replace(/\p{Cf}/gu, "");
  const found = INSTRUCTIONS.map((pattern) => pattern.exec(visible)?.[0]).find((match) => match !== undefined);
  return found === undefined
    ? undefined
    : `The description gives instructions: "${found.slice(0, 80).toWellFormed()}".`;
}
