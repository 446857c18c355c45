import type { JournalEvent, Proposal, Wait } from "../core/events.ts";
import type { EffectRecord, RunRecord } from "../core/run-record.ts";
import type { Attempt } from "./attempt.ts";
import { repeatable } from "./call.ts";
import { CallNotMadeError } from "./errors.ts";
import { endOf, investigate, type OpenCall, type OpenCallTool } from "./investigate.ts";
import { recordableError } from "./recordable-error.ts";

/** What is taken for a call's longest time where its tool is not there any more to say it. */
const UNKNOWN_TIMEOUT_MS = 60_000;

/**
 * The calls of a run that may have happened and have no recorded end, kept up to date while an attempt
 * appends. A run never ends while there is one: nobody would ever find out what became of it.
 */
export class OpenCalls {
  readonly #calls = new Map<string, OpenCall>();
  readonly #asked = { approval: false, question: false };

  constructor(record: RunRecord) {
    for (const [effect, recorded] of record.effects) {
      if (recorded.status === "held") this.#asked.approval = true;
      if (recorded.status === "intended" && recorded.proposal.kind === "human") this.#asked.question = true;
      const open = openCall(recorded);
      if (open) this.#calls.set(effect, open);
    }
  }

  /** What people have been asked for in this run and may not have answered. */
  get askedPeople(): { readonly approval: boolean; readonly question: boolean } {
    return this.#asked;
  }

  /** Takes one more event into account. */
  follow(event: JournalEvent): void {
    switch (event.type) {
      case "effect_held":
        this.#asked.approval = true;
        return;
      case "effect_intended": {
        const { id, ...proposal } = event.data;
        if (proposal.kind === "human") this.#asked.question = true;
        if (!repeatable(proposal)) {
          this.#calls.set(proposal.effect, { proposal, id, intendedAt: event.at, doubt: null });
        }
        return;
      }
      case "effect_repeated":
        this.#change(event.data.effect, { intendedAt: event.at, doubt: null });
        return;
      case "effect_doubted":
        this.#change(event.data.effect, { doubt: { resolution: null } });
        return;
      case "effect_finished":
        this.#calls.delete(event.data.effect);
        return;
      default:
    }
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

function openCall(recorded: EffectRecord): OpenCall | null {
  if (repeatable(recorded.proposal)) return null;
  const { proposal } = recorded;
  switch (recorded.status) {
    case "intended":
      return { proposal, id: recorded.id, intendedAt: recorded.intendedAt, doubt: null };
    case "doubted":
      return { proposal, id: recorded.id, intendedAt: recorded.intendedAt, doubt: { resolution: recorded.resolution } };
    default:
      return null;
  }
}

function notMade(name: string): CallNotMadeError {
  return new CallNotMadeError(
    `The call of ${name} did not happen, and the run failed before it could be made again. It is not made any more.`,
    { details: { action: name } },
  );
}
