import { deferred } from "../core/deferred.ts";
import type { Wait } from "../core/events.ts";
import type { Attempt } from "./attempt.ts";
import type { BegunNode, Frontier } from "./frontier.ts";
import { NodeExecution } from "./node-execution.ts";

/** The node executions of one attempt: those that have begun and have no end yet, and those that are to begin again. */
export class NodeExecutions {
  readonly #underWay = new Set<NodeExecution>();
  /** Recorded node executions that have not finished and that the graph has not begun again. */
  #missing = new Map<string, BegunNode>();
  #frontier: Frontier | null = null;
  readonly #allBegun = deferred<undefined>();

  /** The graph comes as far as the record before anything new is called. */
  goOnFrom(frontier: Frontier): void {
    this.#frontier = frontier;
    this.#missing = new Map(frontier.begun);
    if (this.#missing.size === 0) this.#allBegun.resolve(undefined);
  }

  /** A node begins to run in this attempt. */
  begin(attempt: Attempt, key: string): NodeExecution {
    const recorded = this.#frontier?.callsOf(key) ?? { ends: [], open: [], kept: new Set() };
    const execution = new NodeExecution(attempt, key, recorded);
    this.#underWay.add(execution);
    if (this.#missing.delete(key) && this.#missing.size === 0) this.#allBegun.resolve(undefined);
    return execution;
  }

  /** A node has its end in the journal: nothing is left of its execution. */
  finish(execution: NodeExecution): void {
    this.#underWay.delete(execution);
  }

  /** A recorded node execution that the graph has not begun again: nothing new is called before it has. */
  get missing(): BegunNode | null {
    for (const begun of this.#missing.values()) return begun;
    return null;
  }

  /** Resolves once the graph has come as far as the record: every unfinished node execution of it has begun again. */
  get allBegun(): Promise<undefined> {
    return this.#allBegun.promise;
  }

  /** What they wait for, once they have parked. */
  get waits(): Wait[] {
    return [...this.#underWay].flatMap((execution) => execution.waits);
  }

  /** True while the code of another node is at work: it may still come to what this one waits for. */
  isBusyBeside(one: NodeExecution): boolean {
    return [...this.#underWay].some((other) => other !== one && !other.abandoned && !other.occupied);
  }

  /** It may be the turn of a call that waits for it: calls that do ask again. */
  nudge(): void {
    for (const execution of this.#underWay) execution.nudge();
  }

  /** Their code is left where it stands and hears nothing more. */
  abandon(): void {
    for (const execution of this.#underWay) execution.abandon();
  }

  /** Lets everything that was asked for come back and be recorded; what is asked for from now on is not heard. */
  async settle(): Promise<void> {
    silence(this.#underWay, this.missing !== null);
    await comeToRest(this.#underWay);
  }
}

/**
 * What these still ask for is not heard.
 *
 * @param behind the graph has not come as far as the record
 */
export function silence(executions: Iterable<NodeExecution>, behind: boolean): void {
  for (const execution of executions) {
    // What still waits for the record has called nothing; the rest comes back by itself.
    if (execution.replaying || behind) execution.abandon();
    else execution.silence();
  }
}

/** Waits until everything that these had asked for has come back and is recorded. */
export async function comeToRest(executions: ReadonlySet<NodeExecution>): Promise<void> {
  await Promise.all([...executions].map((execution) => execution.drained()));
  // What waits for a time would wake up in the middle of the end, when nobody listens any more.
  for (const execution of executions) execution.abandon();
  await Promise.all([...executions].map((execution) => execution.quiet()));
}
