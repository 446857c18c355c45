import { setTimeout as delay } from "node:timers/promises";
import { LiveClient } from "../support/live-client.ts";
import type { Random } from "../faults/random.ts";
import type { Fleet } from "./fleet.ts";
import type { Ground } from "./ground.ts";

/** How long somebody watches, at most. */
const WATCH_MS = 8_000;
const AWAY_MS = 1_500;

/** People who open a page of a console, watch for a while what is new and one session after another, and go. */
export class Watchers {
  readonly #ground: Ground;
  readonly #fleet: Fleet;
  readonly #random: Random;
  /** How many pages were opened, and how many frames came to them. */
  readonly did = { opened: 0, refused: 0, frames: 0 };

  constructor(parts: { ground: Ground; fleet: Fleet; random: Random }) {
    this.#ground = parts.ground;
    this.#fleet = parts.fleet;
    this.#random = parts.random;
  }

  async run(count: number, over: AbortSignal): Promise<void> {
    const watch = async (): Promise<void> => {
      while (!over.aborted) {
        // The console may be away.
        await this.#watch().catch(() => this.did.refused++);
        await delay(this.#random.next() * AWAY_MS);
      }
    };
    await Promise.all(Array.from({ length: count }, watch));
  }

  async #watch(): Promise<void> {
    const { url } = this.#random.pick(this.#fleet.consoles);
    using client = await LiveClient.open(url, this.#ground.operator.token);
    this.did.opened++;
    const until = performance.now() + this.#random.next() * WATCH_MS;
    // As every page of the console does.
    for (const kind of ["approvals", "questions", "sessions"] as const) client.subscribe(kind, { kind });
    while (performance.now() < until && client.socket.readyState === client.socket.OPEN) {
      await delay(500 + this.#random.next() * 1_500);
      const news = client.all("session");
      const session = news.length > 0 ? this.#random.pick(news).session.session : undefined;
      this.did.frames += client.received.length;
      client.received.length = 0;
      client.send({ type: "unsubscribe", id: "one" });
      if (session !== undefined) client.subscribe("one", { kind: "session", session, have: {} });
    }
  }
}
