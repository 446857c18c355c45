import type { Period, Policy } from "./claim.ts";
import { dayAfter } from "./dates.ts";

export interface Cover {
  readonly inForce: boolean;
  /** In a sentence, for people. */
  readonly sentence: string;
  /** The day from which there has been cover without a gap; undefined if there is none on that day. */
  readonly since: string | undefined;
}

const ENDINGS: Readonly<Record<Period["ended"], string>> = {
  running: "ended",
  renewed: "ended",
  expired: "expired and was not renewed",
  premium_unpaid: "lapsed because the premium was not paid",
  cancelled: "was cancelled",
};

/** Whether a policy was in force on a day (section 1.4 of the wordings), and why not. */
export function coverOn(policy: Policy, date: string): Cover {
  const { periods } = policy;
  const at = periods.findIndex(({ from, until }) => from <= date && date <= until);
  if (at >= 0) {
    const since = startOfCover(periods, at);
    return { inForce: true, sentence: `In force on ${date}, without a gap since ${since}.`, since };
  }
  const before = periods.findLast(({ until }) => until < date);
  const after = periods.find(({ from }) => from > date);
  const ending = before && `The policy ${ENDINGS[before.ended]}; the last day of cover was ${before.until}.`;
  const beginning =
    after && (before ? `Cover was resumed on ${after.from} only.` : `The policy did not begin before ${after.from}.`);
  const sentence = `Not in force on ${date}. ${[ending, beginning].filter((part) => part !== undefined).join(" ")}`;
  return { inForce: false, sentence, since: undefined };
}

/** Walks back over renewals: periods that follow one another without a day between them. */
function startOfCover(periods: readonly Period[], at: number): string {
  let from = periods[at]?.from ?? "";
  for (let i = at - 1; i >= 0; i--) {
    const earlier = periods[i];
    if (!earlier || dayAfter(earlier.until) !== from) break;
    from = earlier.from;
  }
  return from;
}
