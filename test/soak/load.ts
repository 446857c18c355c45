import { setTimeout as delay } from "node:timers/promises";
import { startRun } from "../../runtime/platform/start-run.ts";
import { ask } from "../support/http.ts";
import { Random } from "../faults/random.ts";
import type { Fleet } from "./fleet.ts";
import type { Ground } from "./ground.ts";
import type { Fate, Ledger, SoakRun } from "./ledger.ts";
import { RULES_PLACE, soakProject, type SoakAgent } from "./project.ts";

interface Kind {
  readonly agent: SoakAgent;
  readonly fate: Fate;
  /** How often, compared with the others. */
  readonly weight: number;
}

const MIX: readonly Kind[] = [
  // Short runs with calls of every effect class.
  { agent: "clerk", fate: "finishes", weight: 20 },
  { agent: "teller", fate: "finishes", weight: 5 },
  { agent: "trier", fate: "finishes", weight: 4 },
  { agent: "queuer", fate: "finishes", weight: 4 },
  { agent: "few", fate: "finishes", weight: 4 },
  { agent: "rememberer", fate: "finishes", weight: 6 },
  // Teams: agents that ask others, and that send to queues.
  { agent: "asker", fate: "finishes", weight: 6 },
  { agent: "both", fate: "finishes", weight: 4 },
  { agent: "sender", fate: "finishes", weight: 4 },
  { agent: "poster", fate: "finishes", weight: 6 },
  // Waits.
  { agent: "holder", fate: "finishes", weight: 6 },
  { agent: "holder", fate: "refused", weight: 2 },
  { agent: "fleeting", fate: "refused", weight: 2 },
  { agent: "person", fate: "finishes", weight: 4 },
  { agent: "sleeper", fate: "finishes", weight: 4 },
  // Long runs.
  { agent: "strider", fate: "finishes", weight: 2 },
  { agent: "marathoner", fate: "finishes", weight: 1 },
  // Cancels, of whatever is under way.
  { agent: "clerk", fate: "cancelled", weight: 1 },
  { agent: "holder", fate: "cancelled", weight: 1 },
  { agent: "sleeper", fate: "cancelled", weight: 1 },
  { agent: "both", fate: "cancelled", weight: 1 },
  { agent: "strider", fate: "cancelled", weight: 1 },
];
const WEIGHTS = MIX.reduce((sum, { weight }) => sum + weight, 0);

const TICK_MS = 50;
/** So many runs that could go on and have not ended are enough: what does not keep up is not loaded more. */
const ENOUGH_OPEN = 400;
/** How long after its start a run is cancelled, at most. */
const CANCEL_WITHIN_MS = 2_500;
/** How long after its start a run is started once more, at most. */
const AGAIN_WITHIN_MS = 2_000;

/** Starts runs of all kinds at a steady rate, in all ways there are. */
export class Load {
  readonly #ground: Ground;
  readonly #fleet: Fleet;
  readonly #ledger: Ledger;
  readonly #random: Random;
  /** Not that of the load: requests come in whatever order. */
  readonly #places: Random;
  readonly #config = soakProject(RULES_PLACE);
  readonly #beside = new Set<Promise<void>>();
  /** How many runs could go on, as far as is known: where they are too many, no more are started. */
  open = 0;
  /** Runs that were not started, because enough were open. */
  heldBack = 0;

  constructor(parts: { ground: Ground; fleet: Fleet; ledger: Ledger; random: Random }) {
    this.#ground = parts.ground;
    this.#fleet = parts.fleet;
    this.#ledger = parts.ledger;
    this.#random = parts.random;
    this.#places = new Random(parts.random.between(0, 2 ** 31));
  }

  /** @param rate runs a second */
  async run(rate: number, over: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    let due = 0;
    while (!over.aborted) {
      const wanted = (rate * (performance.now() - startedMs)) / 1_000;
      for (; due < wanted; due++) {
        if (this.open < ENOUGH_OPEN) this.#start(over);
        else this.heldBack++;
      }
      await delay(TICK_MS);
    }
    await Promise.all(this.#beside);
  }

  #start(over: AbortSignal): void {
    const { agent, fate } = this.#pick();
    const run = this.#ledger.add(agent, fate);
    const way = this.#random.next();
    // Everything random is drawn here, so that a seed gives the same load however fast it goes.
    const [again, after, patience] = [this.#random.next(), this.#random.next(), this.#random.next()];
    if (way < 0.4 && fate !== "cancelled") {
      this.#random.pick(this.#fleet.workers).run(agent, run.id);
      return;
    }
    const starts = [way < 0.7 ? this.#throughJournal : this.#throughConsole];
    const key = again < 0.3 ? run.id : undefined;
    if (key !== undefined) starts.push(after < 0.5 ? this.#throughJournal : this.#throughConsole);
    starts.forEach((start, nth) => {
      this.#aside(async () => {
        if (nth > 0) await delay(after * AGAIN_WITHIN_MS);
        const started = await start(run, key);
        if (started === null) return;
        this.#ledger.started(run, started);
        if (fate !== "cancelled" || nth > 0) return;
        await delay(patience * CANCEL_WITHIN_MS, undefined, { signal: over }).catch(() => undefined);
        await this.#cancel(started);
      });
    });
  }

  #pick(): Kind {
    let at = this.#random.next() * WEIGHTS;
    const kind = MIX.find(({ weight }) => (at -= weight) < 0);
    if (!kind) throw new Error("There is nothing to pick from.");
    return kind;
  }

  /** What goes wrong here is a server that is away just now, and somebody who does not insist. */
  #aside(work: () => Promise<void>): void {
    const done = work()
      .catch(() => undefined)
      .finally(() => this.#beside.delete(done));
    this.#beside.add(done);
  }

  readonly #throughJournal = async ({ agent, id }: SoakRun, key: string | undefined): Promise<string | null> => {
    const { journal, bus, starter } = this.#ground;
    const startedBy = { kind: "person", id: starter.name } as const;
    const { run } = await startRun({ journal, bus, config: this.#config }, { agent, input: { id }, startedBy, key });
    return run;
  };

  readonly #throughConsole = async ({ agent, id }: SoakRun, key: string | undefined): Promise<string | null> => {
    const answer = await this.#post("/api/runs", { agent, input: { id }, ...(key === undefined ? {} : { key }) });
    return answer.status < 300 ? (answer.json() as { readonly session: string }).session : null;
  };

  async #cancel(run: string): Promise<void> {
    await this.#post(`/api/runs/${run}/cancel`, { reason: "It is not wanted any more." });
  }

  #post(path: string, body: unknown): ReturnType<typeof ask> {
    const { url } = this.#places.pick(this.#fleet.consoles);
    const headers = { authorization: `Bearer ${this.#ground.starter.token}` };
    return ask(url + path, { method: "POST", headers, body });
  }
}
