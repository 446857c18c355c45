import { z } from "zod";
import { isIban } from "./iban.ts";
import { CURRENCIES } from "./money.ts";

const text = (max: number) => z.string().min(1).max(max);

/** Who gets the money, and on which account. */
export const payeeSchema = z.object({
  name: text(200),
  iban: z.string().refine(isIban, { message: "is not an IBAN: its form or its check digits are wrong" }),
});

export const LINES = ["motor", "household"] as const;

/** A claim as it has to be. What the feed delivers may be anything; see `validate.ts`. */
export const claimSchema = z.object({
  claimId: text(40),
  policyId: text(40),
  line: z.enum(LINES),
  /** What happened, in the words of the policy wording, for example `escape_of_water`. */
  peril: text(40),
  item: text(200),
  lossDate: z.iso.date(),
  reportedOn: z.iso.date(),
  currency: z.enum(CURRENCIES),
  /** What the claimant asks for, in minor units (cents, pence, Rappen). */
  claimedMinor: z.int().positive(),
  claimant: text(200),
  payee: payeeSchema,
  /** What the claimant ticked on the form, for example `unlocked_door`. */
  circumstances: z.array(text(40)),
  description: z.string().max(4000),
});
export type Claim = z.infer<typeof claimSchema>;

/** One stretch of cover, first and last day included. `ended` says how it came to an end. */
export const periodSchema = z.object({
  from: z.iso.date(),
  until: z.iso.date(),
  ended: z.enum(["running", "renewed", "expired", "premium_unpaid", "cancelled"]),
});
export type Period = z.infer<typeof periodSchema>;

export const policySchema = z.object({
  policyId: z.string(),
  holder: z.string(),
  city: z.string(),
  line: z.enum(LINES),
  product: z.string(),
  currency: z.enum(CURRENCIES),
  sumInsuredMinor: z.int().positive(),
  excessMinor: z.int().nonnegative(),
  /** The account that premiums come from. */
  iban: z.string(),
  /** In order, without overlaps. */
  periods: z.array(periodSchema).min(1),
});
export type Policy = z.infer<typeof policySchema>;

/** A repairer whom the insurer pays directly. */
export const partnerSchema = z.object({ name: z.string(), iban: z.string() });

/** Why a claim ends without anybody having been asked to pay it. */
export const REJECTION_CODES = [
  "unreadable",
  "not_an_object",
  "missing_field",
  "wrong_type",
  "unknown_currency",
  "amount_not_positive",
  "amount_not_whole",
  "bad_date",
  "bad_iban",
  "loss_after_report",
  "unknown_policy",
  "wrong_line",
  "currency_mismatch",
  "not_covered",
  "excluded",
  "below_excess",
] as const;
export type RejectionCode = (typeof REJECTION_CODES)[number];

/** What the assessor found. `payableMinor` is 0 exactly if `rejection` is there. */
export const assessmentSchema = z.object({
  payableMinor: z.int().nonnegative(),
  /** The most that the policy pays for this kind of loss. */
  limitMinor: z.int().nonnegative(),
  policyInForce: z.boolean(),
  /** The state of cover on the day of the loss, in a sentence. */
  cover: z.string(),
  /** How the amount came about, step by step, with the sections of the wording. */
  steps: z.array(z.string()),
  /** Past claims that memory holds and that resemble this one, in a sentence each. */
  similar: z.array(z.string()),
  rejection: z.object({ code: z.enum(REJECTION_CODES), reason: z.string() }).optional(),
});
export type Assessment = z.infer<typeof assessmentSchema>;

/** The signals of fraud, in the order in which they are reported. */
export const SIGNALS = [
  "duplicate_claim",
  "similar_past_claim",
  "new_policy",
  "amount_above_similar",
  "documents_missing",
  "instructions_in_text",
  "payee_not_on_file",
] as const;

export const signalSchema = z.object({ signal: z.enum(SIGNALS), reason: z.string() });
export type Signal = z.infer<typeof signalSchema>;

/** The input of `payments.payout`: what the rules and the people whom they ask get to see. */
export const proposalSchema = z.object({
  claimId: z.string(),
  policyId: z.string(),
  payee: z.object({ name: z.string(), iban: z.string() }),
  amountMinor: z.int().positive(),
  /** Text, not an enumeration: which currencies are paid is for the rules to say. */
  currency: z.string(),
  limitMinor: z.int().nonnegative(),
  policyInForce: z.boolean(),
  fraudSignals: z.array(z.string()),
  /** What was found, in sentences, for the person who may have to decide. */
  findings: z.array(z.string()),
});
export type Proposal = z.infer<typeof proposalSchema>;

/** What became of a proposed payment. */
export const settlementSchema = z.discriminatedUnion("status", [
  z.object({ status: z.literal("paid"), receipt: z.string() }),
  /** A rule refused it. `rules` are the ids of all rules that spoke against it; none means that no rule permits it. */
  z.object({ status: z.literal("denied"), rules: z.array(z.string()), reason: z.string() }),
  /** People were asked; one said no, or nobody answered in time. */
  z.object({ status: z.literal("not_approved"), rules: z.array(z.string()), reason: z.string() }),
]);
export type Settlement = z.infer<typeof settlementSchema>;

/** How a claim's session ends. */
export const outcomeSchema = z.object({
  /** Empty where the record names none. */
  claimId: z.string(),
  status: z.enum(["paid", "denied", "not_approved", "rejected"]),
  /** What was paid, in minor units: 0 unless `status` is `paid`. */
  paidMinor: z.int().nonnegative(),
  /** What was proposed, in minor units: 0 if nothing was. */
  proposedMinor: z.int().nonnegative(),
  currency: z.string(),
  /** Why it was rejected, as a code; empty otherwise. */
  code: z.union([z.enum(REJECTION_CODES), z.literal("")]),
  rules: z.array(z.string()),
  signals: z.array(z.enum(SIGNALS)),
  reason: z.string(),
  receipt: z.string(),
});
export type Outcome = z.infer<typeof outcomeSchema>;
