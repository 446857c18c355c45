import { isRepeatable } from "../core/effects.ts";
import type { JournalEvent, Proposal, Wait } from "../core/events.ts";
import type { EffectRecord } from "../core/effect-record.ts";
import type { RunRecord } from "../core/run-record.ts";
import type { Attempt } from "./attempt.ts";
import { CallNotMadeError } from "./errors.ts";
import { endOf, investigate, type OpenCall, type OpenCallTool } from "./investigate.ts";
import { recordableError } from "./recordable-error.ts";

/** What is taken for a call's longest time where its tool is not there any more to say it. */
const UNKNOWN_TIMEOUT_MS = 60_000;

/**
 * What a run has under way outside, kept up to date while an attempt appends: calls that may have happened and have
 * no recorded end (a run never ends while there is one: nobody would ever find out what became of it), runs that it
 * asked, and what it asked people.
 */
export class OpenCalls {
  readonly #calls = new Map<string, OpenCall>();
  readonly #children = new Map<string, string>();
  readonly #asked = { approval: false, question: false };
  #mayHaveMail: boolean;

  /** @param now the attempt's start: what is open now was begun before */
  constructor(record: RunRecord, now: number) {
    // Others reply to what it has sent; and what a queue has for it comes while it lasts.
    this.#mayHaveMail = record.sent || record.started?.message?.key !== undefined;
    for (const effect of record.open) {
      const recorded = record.effects.get(effect);
      if (!recorded) continue;
      if (recorded.status === "held") this.#asked.approval = true;
      if (recorded.status === "intended") {
        if (recorded.proposal.kind === "human") this.#asked.question = true;
        if (recorded.child !== null) this.#children.set(effect, recorded.child);
      }
      const open = openCall(recorded, now);
      if (open) this.#calls.set(effect, open);
    }
  }

  /** What people have been asked for in this run and may not have answered. */
  get askedPeople(): { readonly approval: boolean; readonly question: boolean } {
    return this.#asked;
  }

  /** True if messages may lie in its mailbox that it has not received. */
  get mayHaveMail(): boolean {
    return this.#mayHaveMail;
  }

  /** The runs that have been asked and have not answered, by the effect that asked them. */
  get children(): ReadonlyMap<string, string> {
    return this.#children;
  }

  /** Takes one more event into account. */
  follow(event: JournalEvent, now: number): void {
    switch (event.type) {
      case "effect_held":
        this.#asked.approval = true;
        return;
      case "message_sent":
        if (event.data.kind !== "ask" && event.data.kind !== "answer") this.#mayHaveMail = true;
        return;
      case "effect_intended": {
        const { id, child, ...proposal } = event.data;
        if (proposal.kind === "human") this.#asked.question = true;
        if (child !== undefined) this.#children.set(proposal.effect, child);
        if (!isRepeatable(proposal.class)) {
          this.#calls.set(proposal.effect, { proposal, id, begunBy: now, settledAt: null, doubt: null });
        }
        return;
      }
      case "effect_repeated":
        this.#change(event.data.effect, { begunBy: now, settledAt: null, doubt: null });
        return;
      case "effect_doubted":
        this.#change(event.data.effect, { doubt: { resolution: null } });
        return;
      // A call that certainly did not happen, and was refused when it would have been made again.
      case "effect_refused":
      case "effect_finished":
        this.#calls.delete(event.data.effect);
        this.#children.delete(event.data.effect);
        return;
      default:
    }
  }

  /** A call is made now, a while after its start was recorded. */
  begins(effect: string, now: number): void {
    this.#change(effect, { begunBy: now });
  }

  #change(effect: string, changes: Partial<OpenCall>): void {
    const call = this.#calls.get(effect);
    if (call) this.#calls.set(effect, { ...call, ...changes });
  }

  /**
   * Settles what is open in a run that can only end: asks the tools, and where they cannot tell, people. A
   * call that did not happen is not made any more.
   *
   * @returns what the run has to wait for before it may end.
   */
  async settle(attempt: Attempt, toolOf: (proposal: Proposal) => OpenCallTool | undefined): Promise<Wait[]> {
    const waits: Wait[] = [];
    for (const call of [...this.#calls.values()]) {
      const { effect, name } = call.proposal;
      const found = await investigate(attempt, call, toolOf(call.proposal) ?? { timeoutMs: UNKNOWN_TIMEOUT_MS });
      if (found.kind === "wait") {
        waits.push(found.wait);
        continue;
      }
      const by = call.doubt?.resolution ?? null;
      const ended =
        found.kind === "ended"
          ? found
          : {
              kind: "ended" as const,
              outcome: { ok: false as const, error: recordableError(notMade(name)) },
              via: found.why === "operator" ? ("operator" as const) : ("reconcile" as const),
              by,
            };
      const { event, views } = endOf(effect, ended);
      attempt.append([event], { views });
    }
    return waits;
  }
}

function openCall(recorded: EffectRecord, now: number): OpenCall | null {
  if (isRepeatable(recorded.proposal.class)) return null;
  if (recorded.status !== "intended" && recorded.status !== "doubted") return null;
  const { proposal, id, leftAt, settledAt } = recorded;
  const doubt = recorded.status === "doubted" ? { resolution: recorded.resolution } : null;
  return { proposal, id, begunBy: leftAt ?? now, settledAt, doubt };
}

function notMade(name: string): CallNotMadeError {
  return new CallNotMadeError(
    `The call of ${name} did not happen, and the run ended before it could be made again. It is not made any more.`,
    { details: { action: name } },
  );
}
