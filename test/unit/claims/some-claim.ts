import type { Claim, Policy } from "../../../agents/claims/claim.ts";

/** A claim without anything special, to be changed by tests. */
export const someClaim: Claim = {
  claimId: "CLM-2026-5000",
  policyId: "HH-DE-70012",
  line: "household",
  peril: "accidental_damage",
  item: "vase",
  lossDate: "2026-03-10",
  reportedOn: "2026-03-11",
  currency: "EUR",
  claimedMinor: 40_000,
  claimant: "Hannelore Wölfling",
  payee: { name: "Hannelore Wölfling", iban: "DE68999999990000004137" },
  circumstances: [],
  description: "Die Vase ist vom Regal gefallen.",
};

export const somePolicy: Policy = {
  policyId: "HH-DE-70012",
  holder: "Hannelore Wölfling",
  city: "Freiburg im Breisgau",
  line: "household",
  product: "household-plus",
  currency: "EUR",
  sumInsuredMinor: 6_500_000,
  excessMinor: 15_001,
  iban: "DE68999999990000004137",
  periods: [{ from: "2018-05-01", until: "2027-04-30", ended: "running" }],
};
