import type { DetailedError } from "@cedar-policy/cedar-wasm/nodejs";

/** One of Cedar's messages for people who do not know Cedar. `trail` leads to what it is about. */
export interface PlainWords {
  readonly message: string;
  readonly help?: string | undefined;
  readonly trail?: readonly string[] | undefined;
}

/**
 * Puts Cedar's messages into our words. Cedar gives its errors no codes, so its sentences are matched:
 * only how a problem reads depends on that, never whether it is one, and a sentence that is not known
 * here is passed on as it is.
 */
export function plainWords(error: DetailedError): PlainWords {
  const message = withoutPrefix(error.message);
  const help = error.help === null ? undefined : sentence(withoutPrefix(error.help));
  for (const [pattern, say] of SENTENCES) {
    const match = pattern.exec(message);
    if (match) return { help, ...say(match.slice(1), error) };
  }
  return { message: sentence(message), help };
}

const MISSING = /attribute `(.+)` in context for Action::"(.+)" not found$/;

/** An attribute of `context` that does not exist. The checker knows the tools and can say more about it. */
export function missingAttribute(error: DetailedError): { path: string[]; action: string } | undefined {
  const match = MISSING.exec(error.message);
  return match?.[1] === undefined || match[2] === undefined
    ? undefined
    : { path: match[1].split("."), action: match[2] };
}

export function isUnknownAction(error: DetailedError): boolean {
  return error.message.includes("unrecognized action");
}

/** Warnings that a rule can never apply: a `forbid` like that protects nothing. */
export function isNeverApplies(warning: DetailedError): boolean {
  return /policy is impossible|unable to find an applicable action/.test(warning.message);
}

type Say = (parts: readonly string[], error: DetailedError) => PlainWords;

const SENTENCES: readonly (readonly [RegExp, Say])[] = [
  [
    /^unable to guarantee safety of access to optional attribute `(.+?)`/,
    ([path = ""]) => {
      const trail = path.split(".");
      const name = trail.at(-1) ?? "";
      return {
        message: `"${name}" may be missing from a call, so it has to be tested for first.`,
        help: `Write context${trail
          .slice(0, -1)
          .map((part) => `.${part}`)
          .join("")} has ${name} && … before it.`,
        trail,
      };
    },
  ],
  [
    /^unexpected type: expected (.+) but saw (.+)$/,
    ([expected = "", saw = ""]) => ({
      message: `This is ${typeInWords(saw)}, where ${typeInWords(expected)} is needed.`,
      help: undefined,
    }),
  ],
  [
    /^the types (.+) and (.+) are not compatible$/,
    ([left = "", right = ""]) => ({
      message: `This compares ${typeInWords(left)} with ${typeInWords(right)}, which are never equal.`,
      help: undefined,
    }),
  ],
  [
    MISSING,
    ([path = "", action = ""]) => ({
      message: `A call of ${action} has no "${path}".`,
      trail: path.split("."),
    }),
  ],
  [
    /^attribute `(.+)` on entity type `(.+)` not found$/,
    ([name = "", type = ""]) => ({ message: `${type} has no attribute "${name}".`, trail: [name] }),
  ],
  [
    /^unrecognized entity type `(.+)`$/,
    ([type = ""]) => ({ message: `There is nothing of the type "${type}".`, trail: [type] }),
  ],
  [
    /^integer parse error: number too large/,
    () => ({ message: "This number is too large: rules know whole numbers up to 2^63.", help: undefined }),
  ],
  [
    /^expected a static policy, got a template containing the slot (.+)$/,
    ([slot = ""]) => ({
      message: `${slot} is a slot of a template, and rules here are not templates.`,
      help: "Name who or what is meant, or write principal and resource alone.",
      trail: [slot],
    }),
  ],
  [/^duplicate annotation: (@\S+)$/, ([name = ""]) => ({ message: `${name} is given twice.`, help: "Keep one." })],
  [/^empty set literals are forbidden/, () => ({ message: "[] has no type.", help: "Use .isEmpty() to test a set." })],
  [
    /^unexpected end of input$/,
    () => ({ message: "The rule ends before it is complete.", help: "Does it lack its closing bracket or its ; ?" }),
  ],
  [
    /^unexpected token `(.+)`$/,
    ([token = ""], error) => {
      const expected = error.sourceLocations?.[0]?.label;
      return {
        message: `"${token}" cannot stand here.`,
        help: expected ? sentence(expected) : undefined,
      };
    },
  ],
];

/** "for policy `x`, " and "failed to parse policy from string: " say nothing that the place does not. */
function withoutPrefix(text: string): string {
  return text.replace(/^for policy `[^`]*`, /, "").replace(/^failed to parse [^:`]*(`[^`]*`)?[^:`]*: /, "");
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const words = `${trimmed.slice(0, 1).toUpperCase()}${trimmed.slice(1)}`.replaceAll("`", '"');
  return /[.?!]$/.test(words) ? words : `${words}.`;
}

function typeInWords(type: string): string {
  const bare = type.replaceAll("__cedar::", "");
  if (bare === "Long") return "a whole number";
  if (bare === "String") return "text";
  if (bare === "Bool" || bare === "Boolean" || bare === "True" || bare === "False") return "true or false";
  if (bare.startsWith("Set<") || bare.startsWith("Set")) return "a set";
  if (bare.startsWith("{")) return "a record";
  return `a value of the type ${bare}`;
}
