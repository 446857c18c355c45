import { LazyDeferred } from "../core/deferred.ts";
import type { Proposal } from "../core/events.ts";
import type { Delivery } from "./delivery.ts";
import type { BegunNode, RecordedCalls } from "./frontier.ts";
import { StallWatch } from "./stall-watch.ts";

/** How far the graph around a node has come, as its replay has to know. */
export interface Beside {
  /** A recorded node execution that the graph has not begun again. */
  readonly missing: BegunNode | null;
  /** Resolves once there is none. */
  readonly allBegun: Promise<undefined>;
}

/** How a body that goes another way than the record is noticed. */
export interface Stalls {
  readonly afterMs: number;
  /** What this one waits for may still come from the code of another node. */
  readonly busyBeside: () => boolean;
  readonly onStall: () => void;
}

/** How the body of one node execution catches up with what the journal holds of it. */
export class NodeReplay {
  readonly #delivery: Delivery;
  readonly #beside: Beside;
  /** Recorded ends that the body has not been given yet, in recorded order. */
  readonly #ends: string[];
  /** Calls with a recorded beginning and no recorded end that the body has not asked for again. */
  readonly #unasked: Set<string>;
  readonly #kept: ReadonlySet<string>;
  readonly #claims = new Map<string, () => void>();
  /** The calls that have to wait now because the body has not asked again for all that is recorded. */
  readonly #early = new Set<Proposal>();
  readonly #stall: StallWatch;
  readonly #replayed = new LazyDeferred<undefined>();
  #isReplayed = false;
  #stopped = false;

  constructor(recorded: RecordedCalls, delivery: Delivery, beside: Beside, stalls: Stalls) {
    this.#delivery = delivery;
    this.#beside = beside;
    this.#ends = [...recorded.ends];
    this.#unasked = new Set(recorded.open);
    this.#kept = recorded.kept;
    this.#stall = new StallWatch(stalls.afterMs, {
      // A body that has asked for nothing else may be busy with code of its own: how long it may, the node's own limits say.
      stuck: () => this.#early.size > 0 && !this.#stopped && (this.behind || beside.missing !== null),
      busy: () => !this.behind && stalls.busyBeside(),
      onStall: stalls.onStall,
    });
    if (!this.behind) this.#replay();
  }

  #replay(): void {
    this.#isReplayed = true;
    this.#replayed.resolve(undefined);
  }

  /** True while the body has not asked again for everything that the journal holds of it. */
  get behind(): boolean {
    return this.#ends.length > 0 || this.#unasked.size > 0;
  }

  /** A recorded call that the body, or the graph, has not asked for again; undefined if there is none. */
  get unclaimed(): string | undefined {
    return this.#ends[0] ?? [...this.#unasked][0] ?? this.#beside.missing?.effect;
  }

  /** What the body asks for instead; null if nothing. */
  get instead(): Proposal | null {
    return [...this.#early].at(-1) ?? null;
  }

  /** The body has asked for a call, or has come to one of its interrupts. */
  asked(effect: string): void {
    if (this.#unasked.delete(effect)) this.#pump();
  }

  /** The recorded end of a call: resolves in its turn. */
  claim(proposal: Proposal): Promise<void> {
    if (this.#kept.has(proposal.effect)) return this.#delivery.turns(1);
    return new Promise<void>((resolve) => {
      this.#claims.set(proposal.effect, () => {
        this.#early.delete(proposal);
        resolve();
      });
      this.#pump();
      if (this.#claims.has(proposal.effect)) this.#isEarly(proposal);
    });
  }

  /** True where there is nothing to be waited for: see {@link live}. */
  get isLive(): boolean {
    return this.#isReplayed && !this.behind && this.#beside.missing === null;
  }

  /** Waits until the journal has nothing more to say of this execution, nor of one beside it that has not begun. */
  async live(proposal: Proposal): Promise<void> {
    if (this.behind || this.#beside.missing !== null) this.#isEarly(proposal);
    await this.#replayed.promise;
    await this.#beside.allBegun;
    this.#early.delete(proposal);
  }

  /** The body is left where it stands: it does not catch up any more. */
  stop(): void {
    this.#stopped = true;
    this.#stall.stop();
  }

  #pump(): void {
    this.#stall.moved();
    for (let next = this.#ends[0]; next !== undefined; next = this.#ends[0]) {
      const claim = this.#claims.get(next);
      if (!claim) break;
      this.#ends.shift();
      this.#claims.delete(next);
      this.#delivery.deliver(claim);
    }
    if (!this.behind) {
      this.#delivery.deliver(() => {
        this.#replay();
      });
    }
  }

  #isEarly(proposal: Proposal): void {
    this.#early.add(proposal);
    this.#stall.start();
  }
}
