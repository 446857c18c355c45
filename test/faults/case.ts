import type { FaultAgent } from "./agents.ts";
import type { Patch } from "./bundle.ts";
import type { Scene } from "./scene.ts";

/** What is wrong after a case. */
export type ViolationKind = "lost" | "duplicated" | "stuck" | "unverified";

export interface Violation {
  readonly kind: ViolationKind;
  readonly what: string;
}

/** What makes a case pass, and how to take it out of the source. */
export interface Guard {
  /** What it does, as a noun: "the lease's deadline before a call". */
  readonly name: string;
  /** What its absence has to show as; anything else may be the machine. */
  readonly shows: readonly ViolationKind[];
  readonly patches: readonly Patch[];
}

export interface FaultCase {
  /** A few words, unique. */
  readonly name: string;
  /** The agents of its runs; its workers have these and no others. */
  readonly agents: readonly FaultAgent[];
  /** A sentence: what is promised although this happens. */
  readonly promise: string;
  /** What is taken out to see the case fail; or a sentence that says why there is nothing to take out. */
  readonly guard: Guard | { readonly none: string };
  /** Not run in the small version, inside vitest. */
  readonly long?: boolean;
  /** Its guard is also proven in the small version, inside vitest. */
  readonly provenInTests?: boolean;
  /** Several seeds go on at once, on the same workers: what is done to these hits them all. */
  readonly together?: boolean;
  /** Starts runs and does them harm. When it returns, the fault is over: everything has to end by itself. */
  readonly run: (scene: Scene) => Promise<void>;
}

/** This machine cannot do what the case needs. */
export class SkipCase extends Error {}
