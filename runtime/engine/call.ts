import type { EffectClass, EffectKind } from "../core/effects.ts";
import type { EffectOutcome, Proposal } from "../core/events.ts";
import { derivedUuid } from "../core/ids.ts";
import type { JsonValue } from "../core/json.ts";

/** What a call needs while it is under way. */
export interface CallContext {
  readonly effectId: string;
  readonly signal: AbortSignal;
}

/** Finds out whether a call did happen: with which result, or undefined if certainly not. */
export type Reconcile = (context: CallContext) => Promise<{ readonly value: unknown } | undefined>;

/** One proposed call out of a node, ready for the gate: its arguments are checked and canonical. */
export interface Call {
  readonly kind: EffectKind;
  /** What the rules call it: a tool's name, `agent.ask`, `memory.recall`, … */
  readonly action: string;
  /** What it is called on: the tool, the asked agent, the memory's namespace, the model, the pool of people. */
  readonly resource: string;
  readonly class: EffectClass;
  readonly version?: string;
  readonly input: JsonValue;
  /** Time and chance are not judged; everything else is. */
  readonly judged: boolean;
  readonly timeoutMs: number;
  /** Makes it again after a failure, if it may be repeated. */
  readonly retry?: Retry;
  /** At most so many such calls at once, on all workers together. */
  readonly concurrency?: number;
  /** For a message that goes one way: what it is, and for whom. */
  readonly message?: OneWay;
  /** Told, before anything else happens, which effect of its node execution this call is. */
  readonly proposed?: (proposal: Proposal) => void;
  /** Makes the call; what it resolves with must be recordable. */
  readonly perform: (context: CallContext) => Promise<unknown>;
  readonly reconcile?: Reconcile;
  /** Checks a result that was not given by the call itself, but by a person. */
  readonly output?: (value: unknown) => unknown;
}

/** A message that goes one way: its body is the call's input. */
export type OneWay =
  | { readonly kind: "send"; readonly to: string; readonly key?: string }
  | { readonly kind: "publish"; readonly topic: string; readonly key: string }
  | { readonly kind: "reply"; readonly to: string; readonly run: string; readonly re: string };

/** How often, and how long after a failure, a call is made again. */
export interface Retry {
  /** With the first one. */
  readonly maxAttempts: number;
  readonly firstDelayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  readonly retryOn?: ((error: unknown) => boolean) | undefined;
}

/** The outcome of a call as the journal has it, for the handle to turn into a value or an error. */
export type Ended = EffectOutcome;

/** The idempotency key of an effect: a function of run and effect key, so it is the same in every attempt. */
export function effectId(run: string, effect: string): string {
  return derivedUuid(run, effect, "effect");
}
