import { NodeTimeoutError } from "./errors.ts";
import type { NodeExecution } from "./node-execution.ts";
import { currentPlace } from "./place.ts";
import { delayMs } from "./retry.ts";

/** LangGraph's `retryPolicy` of a node, with its defaults. */
export interface NodeRetryPolicy {
  readonly maxAttempts?: number;
  readonly initialInterval?: number;
  readonly backoffFactor?: number;
  readonly maxInterval?: number;
  readonly jitter?: boolean;
  readonly retryOn?: (error: unknown) => boolean;
}

/** LangGraph's `timeout` of a node, as its builder keeps it. */
export interface NodeTimeoutPolicy {
  readonly runTimeout?: number | undefined;
  readonly idleTimeout?: number | undefined;
}

export interface NodePolicy {
  readonly retry?: NodeRetryPolicy | undefined;
  readonly timeout?: NodeTimeoutPolicy | undefined;
}

/** Statuses of HTTP answers that will not get better, as in LangGraph. */
const NOT_WORTH_IT = [400, 401, 402, 403, 404, 405, 406, 407, 409];

/**
 * How long to wait before a node that has failed so many times runs again; null if it does not. The defaults are
 * LangGraph's: 3 tries, 500 ms, twice as long each time, at most 128 s.
 */
export function nextNodeTry(policy: NodeRetryPolicy | undefined, error: Error, failures: number): number | null {
  if (!policy || failures >= (policy.maxAttempts ?? 3)) return null;
  if (!(policy.retryOn ?? worthIt)(error)) return null;
  const retry = {
    firstDelayMs: policy.initialInterval ?? 500,
    factor: policy.backoffFactor ?? 2,
    maxDelayMs: policy.maxInterval ?? 128_000,
  };
  return policy.jitter === false
    ? Math.min(retry.maxDelayMs, retry.firstDelayMs * retry.factor ** (failures - 1))
    : delayMs(retry, failures);
}

/** What LangGraph's default takes to be worth another try. A refusal is none: the rules would say the same. */
function worthIt(error: Error & { readonly code?: unknown; readonly status?: unknown }): boolean {
  if (error.name === "AbortError" || error.name === "GraphValueError" || error.message.startsWith("Cancel"))
    return false;
  if (error.code === "ECONNABORTED" || error.code === "CALL_REFUSED") return false;
  const { response } = error as { readonly response?: { readonly status?: unknown } };
  return !NOT_WORTH_IT.includes(Number(response?.status ?? error.status ?? 0));
}

/**
 * Watches the time of one node execution in one attempt. Time in which its run is parked does not count. A node is
 * idle while none of its calls is under way: calls have times of their own.
 */
export class NodeTimer {
  readonly #execution: NodeExecution;
  readonly #name: string;
  #timer: NodeJS.Timeout | undefined;
  #stopLooking: () => void = () => undefined;
  #tell: (error: Error) => void = () => undefined;

  constructor(execution: NodeExecution, name: string, policy: NodeTimeoutPolicy) {
    this.#execution = execution;
    this.#name = name;
    const { runTimeout, idleTimeout } = policy;
    if (runTimeout !== undefined) {
      this.#timer = setTimeout(() => {
        this.#timeout(`longer than the ${String(runTimeout)} ms that it may take`);
      }, runTimeout);
    }
    if (idleTimeout !== undefined) this.#watchIdle(idleTimeout);
  }

  /** Tells when the node has taken too long. */
  whenLate(tell: (error: Error) => void): void {
    this.#tell = tell;
  }

  #watchIdle(idleTimeout: number): void {
    let idleSinceMs = this.#execution.attempt.clock.monotonicMs();
    this.#stopLooking = every(Math.max(5, idleTimeout / 10), () => {
      const nowMs = this.#execution.attempt.clock.monotonicMs();
      if (this.#execution.occupied) idleSinceMs = nowMs;
      else if (nowMs - idleSinceMs >= idleTimeout) {
        this.#timeout(`${String(idleTimeout)} ms in which it neither called anything nor ended`);
      }
    });
  }

  #timeout(what: string): void {
    this.stop();
    const error = new NodeTimeoutError(
      `The node ${this.#name} took ${what}. Its calls were cut off. Raise the node's timeout if that is normal.`,
      { details: { node: this.#execution.key } },
    );
    this.#execution.cutOff();
    this.#tell(error);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#stopLooking();
  }
}

/** Who looks how often. Most nodes share a limit and end long before it, so they share a timer as well. */
const lookers = new Map<number, Set<() => void>>();

/** Looks every so many milliseconds, at the times of all who do, until it is stopped. */
function every(ms: number, look: () => void): () => void {
  const beside = lookers.get(ms) ?? startLooking(ms);
  beside.add(look);
  return () => beside.delete(look);
}

function startLooking(ms: number): Set<() => void> {
  const all = new Set<() => void>();
  lookers.set(ms, all);
  const look = (): void => {
    for (const one of all) one();
    if (all.size > 0) return;
    clearInterval(timer);
    lookers.delete(ms);
  };
  // Whoever comes first may be inside a node, and the others are not.
  const timer = currentPlace.run(undefined, () => setInterval(look, ms).unref());
  return all;
}
