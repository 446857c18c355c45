import type { Claim, Policy } from "./claim.ts";
import { formatMinor, shareOf } from "./money.ts";
import type { Rejection } from "./validate.ts";
import type { InsuredPeril, Wording } from "./wording.ts";

export interface Coverage {
  readonly payableMinor: number;
  readonly limitMinor: number;
  readonly steps: readonly string[];
  readonly rejection?: Rejection;
}

/**
 * Works out what a wording pays for a claim, as its section 5 says: the share of the loss, less the
 * excess, up to the limit. Whether the policy was in force is another question, see `cover.ts`.
 */
export function coverageOf(claim: Claim, policy: Policy, wording: Wording): Coverage {
  const insured = wording.perils.find(({ peril }) => peril === claim.peril);
  if (!insured) {
    return rejected([], "not_covered", `${wording.title} does not name the peril ${claim.peril}.`);
  }
  const { section } = insured;
  if (!insured.products.includes(policy.product)) {
    return rejected([], "not_covered", `Section ${section}: ${policy.product} does not insure ${claim.peril}.`);
  }
  const money = (minor: number): string => formatMinor(minor, policy.currency);
  const steps = [
    `Section ${section}: ${policy.product} insures ${claim.peril}; the loss is ${money(claim.claimedMinor)}.`,
  ];

  const applying = wording.exclusions.filter(({ circumstance }) => claim.circumstances.includes(circumstance));
  const excluded = applying.find(({ sharePercent }) => sharePercent === 0);
  if (excluded) {
    return rejected(steps, "excluded", `Section ${excluded.section} excludes this: ${excluded.meaning}.`);
  }
  const sharePercent = Math.min(insured.sharePercent, ...applying.map((exclusion) => exclusion.sharePercent));
  const shareMinor = shareOf(claim.claimedMinor, sharePercent);
  if (sharePercent < 100) {
    const sections = [section, ...applying.map((exclusion) => exclusion.section)].join(", ");
    steps.push(`Sections ${sections}: ${String(sharePercent)} % of it are ${money(shareMinor)}.`);
  }

  const excessMinor = excessOf(insured, policy);
  const afterExcess = shareMinor - excessMinor;
  steps.push(
    excessMinor === 0
      ? "Section 5: no excess is borne."
      : `Section 5: less ${insured.excess === "half" ? "half of the" : "the"} excess, ${money(excessMinor)}.`,
  );
  if (afterExcess <= 0) {
    return rejected(steps, "below_excess", `Section 5.3: nothing is left after the excess of ${money(excessMinor)}.`);
  }

  const limitMinor = limitOf(insured, policy, wording);
  const payableMinor = Math.min(afterExcess, limitMinor);
  if (payableMinor < afterExcess) steps.push(`Limit: ${money(limitMinor)} is the most that is paid.`);
  steps.push(`Payable: ${money(payableMinor)}.`);
  return { payableMinor, limitMinor, steps };
}

/** The documents that section 2 asks for; none if it does not name the peril. */
export function documentsNeeded(claim: Claim, wording: Wording): readonly string[] {
  return wording.perils.find(({ peril }) => peril === claim.peril)?.documents ?? [];
}

function excessOf(insured: InsuredPeril, policy: Policy): number {
  switch (insured.excess) {
    case "full":
      return policy.excessMinor;
    case "half":
      return shareOf(policy.excessMinor, 50);
    case "none":
      return 0;
  }
}

function limitOf(insured: InsuredPeril, policy: Policy, wording: Wording): number {
  const limits = insured.limits.map((section) => wording.limits.get(section)?.[policy.currency] ?? 0);
  return Math.min(...limits, ...(insured.capBySumInsured ? [policy.sumInsuredMinor] : []));
}

function rejected(steps: readonly string[], code: Rejection["code"], reason: string): Coverage {
  return { payableMinor: 0, limitMinor: 0, steps, rejection: { code, reason } };
}
