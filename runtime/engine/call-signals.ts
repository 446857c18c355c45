import { guardListeners } from "./guarded-signal.ts";

/** What tells one call that it is cut off. */
export class CallCutOff {
  readonly #listenerFailed: (error: unknown) => void;
  #controller: AbortController | null = null;
  #aborted = false;

  /** @param listenerFailed told of what somebody that listens for the abort has thrown */
  constructor(listenerFailed: (error: unknown) => void) {
    this.#listenerFailed = listenerFailed;
  }

  /** Made for whoever asks for it: most calls never do. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      guardListeners(this.#controller.signal, this.#listenerFailed);
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  abort(): void {
    this.#aborted = true;
    this.#controller?.abort();
  }
}

/** Whoever can cut a call off before its time. */
export interface CallOwner {
  beginCall(): CallCutOff;
  endCall(call: CallCutOff): void;
}

/** The abort signals of calls that are cut off together. */
export class CallSignals implements CallOwner {
  readonly #within: CallOwner;
  readonly #underWay = new Set<CallCutOff>();
  #cutOff = false;

  /** @param within whoever cuts these calls off as well, together with others */
  constructor(within: CallOwner) {
    this.#within = within;
  }

  beginCall(): CallCutOff {
    const call = this.#within.beginCall();
    this.#underWay.add(call);
    if (this.#cutOff) call.abort();
    return call;
  }

  endCall(call: CallCutOff): void {
    this.#underWay.delete(call);
    this.#within.endCall(call);
  }

  /** True once these were cut off, apart from those around them. */
  get isCutOff(): boolean {
    return this.#cutOff;
  }

  /** Aborts the signals of the calls under way, and of every call that begins later. */
  cutOff(): void {
    this.#cutOff = true;
    for (const call of this.#underWay) call.abort();
  }
}

/** Cuts nothing off: it stands around all that do. */
export function uncut(listenerFailed: (error: unknown) => void): CallOwner {
  return { beginCall: () => new CallCutOff(listenerFailed), endCall: () => undefined };
}
