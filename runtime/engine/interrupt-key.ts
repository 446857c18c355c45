import { sha256 } from "../core/canonical.ts";
import { effectKeyText, effectNameOf } from "../core/effects.ts";
import type { Proposal } from "../core/events.ts";

const NAME = "interrupt";
/** Not of what is asked: the number alone says which interrupt of its node execution it is, as it does in LangGraph. */
const FINGERPRINT = sha256("signalbox-interrupt");

/** The key of a node execution's nth call of LangGraph's `interrupt()`. */
export function interruptKey(node: string, index: number): Pick<Proposal, "effect" | "fingerprint" | "nth"> {
  const key = { node, name: NAME, fingerprint: FINGERPRINT, nth: index };
  return { effect: effectKeyText(key), fingerprint: FINGERPRINT, nth: index };
}

export function isInterrupt(proposal: Pick<Proposal, "effect" | "kind">): boolean {
  return proposal.kind === "human" && effectNameOf(proposal.effect) === NAME;
}
