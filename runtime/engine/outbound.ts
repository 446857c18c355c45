import type { Messages } from "../core/messages.ts";

/** What an attempt is sending and that is not on disk yet: it is in no count that is read meanwhile, or perhaps it is. */
interface InFlight {
  readonly receivers: readonly string[];
  readonly over: Promise<void>;
}

/** The right to send some messages now. To be given back once they are on disk, or certainly are not sent. */
export interface Leave {
  /** How many messages the session may still send after these. */
  readonly left: number;
  readonly over: () => void;
}

/**
 * Keeps what the calls of one attempt send at the same time within the session's budget and the receivers' queues.
 * Counters in Postgres only show what is on disk; what is on its way there is counted here.
 */
export class Outbound {
  readonly #messages: Messages;
  readonly #session: string;
  readonly #inFlight = new Set<InFlight>();
  /** For each who reads counters now: what may be in them or not, also what began and ended meanwhile. */
  readonly #unsure = new Set<Set<InFlight>>();

  constructor(messages: Messages, session: string) {
    this.#messages = messages;
    this.#session = session;
  }

  /**
   * @param bounded whether the receivers' queues bound it
   * @returns null if the session may not send so many more; or an agent whose queue is full.
   */
  async take(
    receivers: readonly string[],
    { bounded }: { readonly bounded: boolean },
  ): Promise<Leave | { readonly full: string } | null> {
    for (;;) {
      const unsure = new Set(this.#inFlight);
      this.#unsure.add(unsure);
      try {
        const rooms = bounded ? await this.#roomsOf(receivers) : new Map<string, number>();
        const left = (await this.#messages.budgetLeft(this.#session)) - receivers.length;
        // From here to the leave nobody else comes in between.
        const sending = [...unsure].flatMap((one) => one.receivers);
        const full = [...rooms].find(([agent, room]) => room - sending.filter((to) => to === agent).length <= 0);
        if (full) return { full: full[0] };
        if (left - sending.length >= 0) return this.#leave(receivers, left - sending.length);
        if (left < 0) return null;
      } finally {
        this.#unsure.delete(unsure);
      }
      await Promise.all([...unsure].map((one) => one.over));
    }
  }

  async #roomsOf(receivers: readonly string[]): Promise<Map<string, number>> {
    const rooms = new Map<string, number>();
    for (const agent of receivers) rooms.set(agent, await this.#messages.room(agent));
    return rooms;
  }

  #leave(receivers: readonly string[], left: number): Leave {
    let end: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    const one = { receivers, over };
    this.#inFlight.add(one);
    for (const unsure of this.#unsure) unsure.add(one);
    return {
      left,
      over: () => {
        this.#inFlight.delete(one);
        end();
      },
    };
  }
}
