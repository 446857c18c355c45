import { setTimeout as delay } from "node:timers/promises";
import type { ApprovalsPage, DoubtsPage, QuestionsPage } from "../../runtime/core/protocol.ts";
import { ask } from "../support/http.ts";
import type { Random } from "../faults/random.ts";
import type { Fleet } from "./fleet.ts";
import type { Ground } from "./ground.ts";
import type { Ledger } from "./ledger.ts";

const LOOK_MS = 500;
/** How long somebody thinks about something, at most. */
const THINK_MS = 4_000;
const PAGE = "limit=1000";

/**
 * A person who decides, answers, and settles what is in doubt by what the bank says, at whichever console answers. What
 * is to be refused is rejected, or left until its time is over.
 */
export class SoakOperator {
  readonly #ground: Ground;
  readonly #fleet: Fleet;
  readonly #ledger: Ledger;
  readonly #random: Random;
  /** From when on something is done about what was seen to wait. */
  readonly #due = new Map<string, number>();
  /** How often something was done, and how often it was refused or no console was there. */
  readonly did = { decided: 0, answered: 0, settled: 0, inVain: 0 };

  constructor(parts: { ground: Ground; fleet: Fleet; ledger: Ledger; random: Random }) {
    this.#ground = parts.ground;
    this.#fleet = parts.fleet;
    this.#ledger = parts.ledger;
    this.#random = parts.random;
  }

  async run(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const { url } = this.#random.pick(this.#fleet.consoles);
      // Another console is asked next time.
      await this.#work(url).catch(() => this.did.inVain++);
      await delay(LOOK_MS);
    }
  }

  async #work(url: string): Promise<void> {
    const waiting = new Set<string>();
    const ripe = (id: string): boolean => {
      waiting.add(id);
      const due = this.#due.get(id) ?? performance.now() + this.#random.next() * THINK_MS;
      this.#due.set(id, due);
      return due <= performance.now();
    };
    for (const { approval, argsHash, input, tool } of (await this.#get<ApprovalsPage>(url, "approvals")).approvals) {
      if (tool === "bank.fleeting" || !ripe(approval)) continue;
      const refused = this.#ledger.of((input as { readonly id: string }).id)?.fate === "refused";
      const decision = refused
        ? { decision: "reject", reason: "No.", argsHash }
        : { decision: "approve", reason: "", argsHash };
      if (await this.#post(url, `approvals/${approval}/decide`, decision)) this.did.decided++;
    }
    for (const { question } of (await this.#get<QuestionsPage>(url, "questions")).questions) {
      if (!ripe(question)) continue;
      if (await this.#post(url, `questions/${question}/answer`, { answer: { key: "a person" } })) this.did.answered++;
    }
    for (const { run, effect, effectId } of (await this.#get<DoubtsPage>(url, "doubts")).doubts) {
      if (!ripe(`${run} ${effect}`)) continue;
      const happened = this.#ground.bank.find(effectId) !== undefined;
      const said = happened ? { resolution: "happened", result: { key: effectId } } : { resolution: "did_not_happen" };
      const body = { run, effect, ...said, reason: "The bank says so." };
      if (await this.#post(url, "doubts/resolve", body)) this.did.settled++;
    }
    for (const id of this.#due.keys()) if (!waiting.has(id)) this.#due.delete(id);
  }

  async #get<Page>(url: string, what: string): Promise<Page> {
    const answer = await ask(`${url}/api/${what}?${PAGE}`, { headers: this.#headers });
    if (answer.status !== 200) throw new Error(`The console answered with ${String(answer.status)}.`);
    return answer.json() as Page;
  }

  /** @returns whether it was taken: somebody may have been faster, or its time may be over */
  async #post(url: string, path: string, body: unknown): Promise<boolean> {
    const { status } = await ask(`${url}/api/${path}`, { method: "POST", headers: this.#headers, body });
    if (status >= 300) this.did.inVain++;
    return status < 300;
  }

  get #headers(): Readonly<Record<string, string>> {
    return { authorization: `Bearer ${this.#ground.operator.token}` };
  }
}
