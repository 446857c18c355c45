import type { DeterminingRule, ApprovalNeed } from "../core/verdict.ts";
import { didYouMean } from "./nearest.ts";
import type { Token } from "./tokens.ts";

/** What a rule says of itself: its annotations, checked. */
export interface RuleMeta {
  readonly id: string;
  readonly effect: DeterminingRule["effect"];
  readonly reason: string | undefined;
  /** Only for `require_approval`. */
  readonly approval: ApprovalNeed | undefined;
}

/** Something wrong at a place in the file (a UTF-16 offset from the file's start). */
export interface Finding {
  readonly at: number;
  readonly message: string;
  readonly help?: string | undefined;
}

const FORBID_EFFECTS = ["deny", "rate_limit", "require_approval"] as const;
type ForbidEffect = (typeof FORBID_EFFECTS)[number];
const ANNOTATIONS = ["id", "effect", "approvers", "pool", "ttl", "reason"];
const APPROVAL_ANNOTATIONS = ["approvers", "pool", "ttl"];
const RULE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const DEFAULT_TTL_MS = 24 * 3_600_000;
const MAX_TTL_MS = 366 * 24 * 3_600_000;

/**
 * Reads a rule's annotations. `values` is what Cedar parsed of them (null for one without a value);
 * `tokens` tell where they stand.
 */
export function readAnnotations(
  cedarEffect: "permit" | "forbid",
  values: Readonly<Record<string, string | null>>,
  tokens: readonly Token[],
): { readonly meta: RuleMeta | undefined; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const places = annotationPlaces(tokens);
  const start = tokens[0]?.start ?? 0;
  const wrong = (name: string | undefined, message: string, help?: string): void => {
    findings.push({ at: (name === undefined ? undefined : places.get(name)) ?? start, message, help });
  };
  const given = (name: string): string | undefined => {
    if (!Object.hasOwn(values, name)) return undefined;
    const value = values[name]?.trim() ?? "";
    if (value === "") wrong(name, `@${name} has no value.`, `Write it as @${name}("...").`);
    return value;
  };

  for (const name of Object.keys(values)) {
    if (!ANNOTATIONS.includes(name)) {
      const known = `Known are ${ANNOTATIONS.map((one) => `@${one}`).join(", ")}.`;
      wrong(name, `There is no annotation @${name}.`, didYouMean(name, ANNOTATIONS) ?? known);
    }
  }

  const id = given("id");
  if (id === undefined) {
    wrong(undefined, "This rule has no @id.", 'Begin it with @id("a-name"), by which the record will name it.');
  } else if (id !== "" && !RULE_ID.test(id)) {
    wrong("id", `"${id}" cannot be a rule's @id.`, "Use letters, digits, hyphens, dots and underscores, at most 100.");
  }

  const reason = given("reason");
  let effect: DeterminingRule["effect"] = "permit";
  if (cedarEffect === "permit") {
    for (const name of ["effect", ...APPROVAL_ANNOTATIONS]) {
      if (Object.hasOwn(values, name)) {
        wrong(name, `A permit carries no @${name}.`, "Write a forbid with it, or take it away.");
      }
    }
  } else {
    effect = readEffect(given("effect"), wrong);
    if (reason === undefined) {
      wrong(
        undefined,
        "This forbid has no @reason.",
        'Say in @reason("...") why, in a sentence for whoever is refused or has to decide.',
      );
    }
  }

  let approval: ApprovalNeed | undefined;
  if (effect === "require_approval") {
    approval = readApproval(given, wrong);
  } else if (cedarEffect === "forbid") {
    for (const name of APPROVAL_ANNOTATIONS) {
      if (Object.hasOwn(values, name)) {
        wrong(name, `@${name} says nothing without @effect("require_approval").`, "Add that, or take this away.");
      }
    }
  }
  const meta = id === undefined || findings.length > 0 ? undefined : { id, effect, reason, approval };
  return { meta, findings };
}

type Wrong = (name: string | undefined, message: string, help?: string) => void;

function readEffect(value: string | undefined, wrong: Wrong): ForbidEffect {
  if (value === undefined || value === "") return "deny";
  const known = FORBID_EFFECTS.find((effect) => effect === value);
  if (known) return known;
  const all = `Known are ${FORBID_EFFECTS.map((effect) => `"${effect}"`).join(", ")}.`;
  wrong("effect", `There is no @effect "${value}".`, didYouMean(value, FORBID_EFFECTS) ?? all);
  return "deny";
}

function readApproval(given: (name: string) => string | undefined, wrong: Wrong): ApprovalNeed | undefined {
  const pool = given("pool");
  if (pool === undefined) {
    wrong("effect", "An approval needs a @pool.", 'Say with @pool("finance") whose people may decide.');
  }
  const approversText = given("approvers") ?? "1";
  const approvers = /^[1-9][0-9]?$/.test(approversText) ? Number(approversText) : undefined;
  if (approvers === undefined && approversText !== "") {
    wrong("approvers", `@approvers("${approversText}") is not a number of people.`, "Use a whole number from 1 to 99.");
  }
  const ttlText = given("ttl");
  const ttlMs = ttlText === undefined ? DEFAULT_TTL_MS : durationMs(ttlText);
  if (ttlMs === undefined && ttlText !== "") {
    wrong(
      "ttl",
      `@ttl("${ttlText ?? ""}") is not a time limit.`,
      "Use an ISO 8601 duration of weeks, days, hours, minutes and seconds, from PT1S to P366D, for example PT4H or P2D.",
    );
  }
  if (pool === undefined || approvers === undefined || ttlMs === undefined) return undefined;
  return { pool, approvers, ttlMs };
}

/** ISO 8601 without years and months, whose length depends on when they begin. */
export function durationMs(text: string): number | undefined {
  const match = /^P(?=[0-9T])(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text);
  if (!match) return undefined;
  const [weeks, days, hours, minutes, seconds] = match.slice(1).map((part: string | undefined) => Number(part ?? 0));
  const totalDays = (weeks ?? 0) * 7 + (days ?? 0);
  const ms = (((totalDays * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0)) * 1000;
  return ms > 0 && ms <= MAX_TTL_MS ? ms : undefined;
}

/** Where each annotation's `@` stands: they come before everything else, as `@name` or `@name("...")`. */
function annotationPlaces(tokens: readonly Token[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (let i = 0; tokens[i]?.text === "@";) {
    const [mark, name] = [tokens[i], tokens[i + 1]];
    if (mark && name && !places.has(name.text)) places.set(name.text, mark.start);
    i += 2;
    if (tokens[i]?.text === "(") i += 3;
  }
  return places;
}
