import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../faults/random.ts";
import type { Fleet } from "./fleet.ts";
import { OURS, type Ground } from "./ground.ts";

/** What is done: all of it once, in some order, and then again. */
const HARMS = [
  ...(["worker killed", "worker killed", "worker killed", "worker killed", "worker replaced"] as const),
  ...(["Postgres connections cut", "Postgres connections cut"] as const),
  ...(["NATS connections cut", "NATS away", "NATS wiped"] as const),
  ...(["console killed", "console restarted"] as const),
] as const;
export type Harm = (typeof HARMS)[number];

/** Between the end of one harm and the next. */
const PAUSE_MS = { from: 4_000, to: 11_000 };
const AWAY_MS = { from: 500, to: 4_000 };

/** Does one harm after the other, each of which is over when the next one comes. */
export class Harms {
  readonly #ground: Ground;
  readonly #fleet: Fleet;
  readonly #random: Random;
  readonly did = new Map<Harm, number>();
  #next: Harm[] = [];

  constructor(parts: { ground: Ground; fleet: Fleet; random: Random }) {
    this.#ground = parts.ground;
    this.#fleet = parts.fleet;
    this.#random = parts.random;
  }

  get count(): number {
    return [...this.did.values()].reduce((sum, times) => sum + times, 0);
  }

  async run(over: AbortSignal): Promise<void> {
    for (;;) {
      await delay(this.#random.between(PAUSE_MS.from, PAUSE_MS.to), undefined, { signal: over }).catch(() => undefined);
      if (over.aborted) return;
      if (this.#next.length === 0) this.#next = this.#random.shuffled(HARMS);
      const harm = this.#next.pop() ?? HARMS[0];
      await this.#do(harm);
      this.did.set(harm, (this.did.get(harm) ?? 0) + 1);
    }
  }

  async #do(harm: Harm): Promise<void> {
    const { nats, database } = this.#ground;
    switch (harm) {
      case "worker killed":
        return this.#fleet.replaceWorker(this.#random.between(0, 1_000), "kill");
      case "worker replaced":
        return this.#fleet.replaceWorker(this.#random.between(0, 1_000), "stop");
      case "Postgres connections cut":
        await database.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and application_name <> $1 and backend_type = 'client backend'
             and random() < 0.5`,
          [OURS],
        );
        return;
      case "NATS connections cut":
        await nats.stop("SIGTERM");
        return nats.start();
      case "NATS away":
        await nats.stop("SIGKILL");
        await delay(this.#random.between(AWAY_MS.from, AWAY_MS.to));
        return nats.start();
      case "NATS wiped":
        await nats.lose();
        return nats.start();
      case "console killed":
        return this.#fleet.restartConsole("kill");
      case "console restarted":
        return this.#fleet.restartConsole("stop");
    }
  }
}
