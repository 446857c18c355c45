import { setImmediate } from "node:timers/promises";
import { ChainCheck, type ChainFault } from "../core/chain.ts";
import type { Database, Sql } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import type { VerifyReport } from "../core/protocol.ts";
import { Findings } from "./findings.ts";
import { Lookups } from "./lookups.ts";
import { pagesOfEvents, seqOf, timeOf, type EventRow, type HeadRow, type Page } from "./pages.ts";

const FAULTS: Readonly<Record<ChainFault, string>> = {
  missing: "The event is missing.",
  out_of_order: "The event is not where it was recorded.",
  altered: "The event is not what was recorded.",
  payload_missing: "The event's payload is missing.",
  head_mismatch: "The run goes on after its recorded end.",
};

/**
 * Recomputes every hash of one session, or of everything, from the stored text, and checks the links
 * between runs and the payloads that are stored apart: all as it was at one moment, while runs go on. It takes the
 * same memory however much there is.
 *
 * @returns the first bad event: the earliest one that contradicts its own run, or else the earliest start that
 *   its cause contradicts. (An altered event also contradicts the runs that it caused; they are not at fault.)
 * @throws `NotFoundError` if there is no such session.
 */
export async function verify(database: Database, session: string | null): Promise<VerifyReport> {
  const report = await database.transaction(async (sql) => {
    await sql.query("set transaction isolation level repeatable read, read only");
    return checkAll(sql, session);
  });
  if (report.runs === 0 && session !== null) {
    throw new NotFoundError(`There is no session ${session}. "npx signalbox sessions ls" shows what there is.`, {
      details: { session },
    });
  }
  return report;
}

async function checkAll(sql: Sql, session: string | null): Promise<VerifyReport> {
  const findings = new Findings();
  const lookups = new Lookups(sql, findings);
  const check = new RunsCheck(findings, lookups);
  const pages = pagesOfEvents(sql, session, () => lookups.relieve());
  for (let page = await pages.next(); page.done !== true;) {
    // Postgres gathers the next page while this one is hashed.
    const next = pages.next();
    // Whoever waits for it hears of it.
    next.catch(() => undefined);
    // The question has to be on its way first.
    await setImmediate();
    check.take(page.value);
    page = await next;
  }
  await lookups.settle();
  const { runs, events } = check;
  const { first } = findings;
  const firstBad = first && { run: first.run, seq: first.seq, problem: first.problem };
  return { verified: firstBad === null && runs > 0, runs, events, firstBad };
}

/** Goes through the events of one run after the other. */
class RunsCheck {
  runs = 0;
  events = 0;
  readonly #findings: Findings;
  readonly #lookups: Lookups;
  #heads: readonly HeadRow[] = [];
  /** The place in the heads of the run whose events come now. */
  #at = 0;
  #chain = new ChainCheck();
  #newest: EventRow | null = null;
  #bad = false;

  constructor(findings: Findings, lookups: Lookups) {
    this.#findings = findings;
    this.#lookups = lookups;
  }

  take({ heads, events, last }: Page): void {
    if (heads !== this.#heads) {
      this.#heads = heads;
      this.#at = 0;
    }
    for (const event of events) {
      while (!event.lines.startsWith(this.#head.run)) this.#endRun();
      this.#check(event);
    }
    if (last) while (this.#at < heads.length) this.#endRun();
  }

  get #head(): HeadRow {
    const head = this.#heads[this.#at];
    if (!head) throw new Error("An event came of a run that was not asked for.");
    return head;
  }

  #check(event: EventRow): void {
    this.events++;
    if (this.#bad) return;
    const seq = seqOf(event);
    const fault = this.#chain.add(seq, event.lines, event);
    if (fault) this.#note(fault, seq <= this.#chain.seq ? event : this.#newest);
    else this.#lookups.gather(event, seq);
    this.#newest = event;
  }

  #endRun(): void {
    if (!this.#bad) {
      const fault = this.#chain.end(this.#head);
      if (fault) this.#note(fault, this.#newest);
    }
    this.runs++;
    this.#at++;
    this.#chain = new ChainCheck();
    this.#newest = null;
    this.#bad = false;
  }

  #note(fault: ChainFault, nearest: EventRow | null): void {
    this.#bad = true;
    const { run } = this.#head;
    const at = nearest === null ? 0 : timeOf(nearest);
    this.#findings.note({ run, seq: this.#chain.seq, problem: FAULTS[fault], about: "run", at });
  }
}
