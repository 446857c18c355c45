import { z } from "zod";

/**
 * What may happen when a call is repeated after a crash. `read` changes nothing outside; `idempotent`
 * may be repeated under the same key; `compensatable` and `irreversible` may not.
 */
export const EFFECT_CLASSES = ["read", "idempotent", "compensatable", "irreversible"] as const;
export type EffectClass = (typeof EFFECT_CLASSES)[number];

/** True where a call may simply be made again when nobody knows whether it happened. */
export function isRepeatable(effect: EffectClass): boolean {
  return effect === "read" || effect === "idempotent";
}

/** The kinds of calls out of a node execution that the journal records. */
export const EFFECT_KINDS = [
  "tool",
  "ask",
  "send",
  "publish",
  "receive",
  "memory",
  "model",
  "human",
  "timer",
  "clock",
  "random",
  "id",
] as const;
export type EffectKind = (typeof EFFECT_KINDS)[number];

/**
 * Identifies an effect within its run, the same in every attempt: the node execution, what is called
 * with which arguments (by fingerprint), and the how-many-eth such call of this node execution it is.
 */
export const effectKeySchema = z.object({
  node: z.string(),
  name: z.string(),
  fingerprint: z.string(),
  nth: z.int().nonnegative(),
});
export type EffectKey = z.infer<typeof effectKeySchema>;

/** 128 bits: nobody finds two calls with one key. */
const FINGERPRINT_DIGITS = 32;

/** The key as one string: how events and tables refer to an effect. Without U+0000, which Postgres's text cannot hold. */
export function effectKeyText(key: EffectKey): string {
  const node = key.node.replaceAll("\u0000", "\uFFFD");
  return `${node}#${key.name}#${key.fingerprint.slice(0, FINGERPRINT_DIGITS)}#${String(key.nth)}`;
}

/** The name in an effect's key: what was called. */
export function effectNameOf(key: string): string {
  return key.split("#").at(-3) ?? key;
}
