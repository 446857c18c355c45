import {
  type CheckParseAnswer,
  preparsePolicySet,
  preparseSchema,
  type SchemaJson,
} from "@cedar-policy/cedar-wasm/nodejs";
import { canonicalJson, sha256 } from "../core/canonical.ts";

/**
 * Cedar keeps parsed rules and schemas under names, for ever: there is no unload, and to register a name
 * again overwrites what it held. So each name is the hash of what it names. Rule sets that share rules
 * share slots, and no rule set can change what another one judges by. A slot takes about 0.6 ms to fill
 * and 2 to 6 KB to keep.
 *
 * @throws Error if Cedar cannot read what the checker has passed, which is a fault of ours.
 */
export function preparedPolicies(policies: readonly { readonly id: string; readonly text: string }[]): string {
  const staticPolicies = Object.fromEntries(policies.map(({ id, text }) => [id, text]));
  const name = `signalbox/rules/${sha256(canonicalJson(staticPolicies))}`;
  assertParsed(preparsePolicySet(name, { staticPolicies }));
  return name;
}

export function preparedSchema(schema: SchemaJson<string>): string {
  const name = `signalbox/schema/${sha256(canonicalJson(schema))}`;
  assertParsed(preparseSchema(name, schema));
  return name;
}

function assertParsed(answer: CheckParseAnswer): void {
  if (answer.type === "failure") throw new Error(answer.errors.map((error) => error.message).join("; "));
}
