/** Whoever can cut a call off before its time. */
export interface CallOwner {
  beginCall(): AbortController;
  endCall(controller: AbortController): void;
  /** Something that listens for the abort has thrown. */
  listenerFailed(error: unknown): void;
}

/** The abort signals of calls that are cut off together. */
export class CallSignals implements CallOwner {
  readonly #within: CallOwner;
  readonly #underWay = new Set<AbortController>();
  #cutOff = false;

  /** @param within whoever cuts these calls off as well, together with others */
  constructor(within: CallOwner) {
    this.#within = within;
  }

  beginCall(): AbortController {
    const controller = this.#within.beginCall();
    this.#underWay.add(controller);
    if (this.#cutOff) controller.abort();
    return controller;
  }

  endCall(controller: AbortController): void {
    this.#underWay.delete(controller);
    this.#within.endCall(controller);
  }

  listenerFailed(error: unknown): void {
    this.#within.listenerFailed(error);
  }

  /** True once these were cut off, apart from those around them. */
  get isCutOff(): boolean {
    return this.#cutOff;
  }

  /** Aborts the signals of the calls under way, and of every call that begins later. */
  cutOff(): void {
    this.#cutOff = true;
    for (const controller of this.#underWay) controller.abort();
  }
}

/** Cuts nothing off: it stands around all that do. */
export function uncut(listenerFailed: (error: unknown) => void): CallOwner {
  return { beginCall: () => new AbortController(), endCall: () => undefined, listenerFailed };
}
