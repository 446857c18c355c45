import { ChainCheck, type ChainedEvent, type ChainFault } from "../core/chain.ts";
import type { Database, Transaction } from "../core/database.ts";
import { NotFoundError } from "../core/errors.ts";
import type { VerifyReport } from "../core/protocol.ts";
import { Findings } from "./findings.ts";
import { Lookups } from "./lookups.ts";
import { readEvents, type EventReader, type HeadRow } from "./pages.ts";

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

async function checkAll(sql: Transaction, session: string | null): Promise<VerifyReport> {
  const findings = new Findings();
  const lookups = new Lookups(sql, findings);
  const check = new RunsCheck(findings, lookups);
  await readEvents(sql, session, check, () => lookups.relieve());
  await lookups.settle();
  const { runs, events } = check;
  const { first } = findings;
  const firstBad = first && { run: first.run, seq: first.seq, problem: first.problem };
  return { verified: firstBad === null && runs > 0, runs, events, firstBad };
}

/** Checks one run after the other. */
class RunsCheck implements EventReader {
  runs = 0;
  events = 0;
  readonly #findings: Findings;
  readonly #lookups: Lookups;
  #chain = new ChainCheck();
  /** When the newest event of the run was recorded. */
  #newestAt = 0;
  #bad = false;

  constructor(findings: Findings, lookups: Lookups) {
    this.#findings = findings;
    this.#lookups = lookups;
  }

  take(head: HeadRow, event: ChainedEvent): void {
    this.events++;
    if (this.#bad) return;
    const fault = this.#chain.add(event);
    if (fault) this.#note(head, fault, event.seq <= this.#chain.seq ? event.at : this.#newestAt);
    else this.#lookups.gather(event);
    this.#newestAt = event.at;
  }

  end(head: HeadRow): void {
    const fault = this.#bad ? null : this.#chain.end(head);
    if (fault) this.#note(head, fault, this.#newestAt);
    this.runs++;
    this.#chain = new ChainCheck();
    this.#newestAt = 0;
    this.#bad = false;
  }

  #note({ run }: HeadRow, fault: ChainFault, at: number): void {
    this.#bad = true;
    this.#findings.note({ run, seq: this.#chain.seq, problem: FAULTS[fault], about: "run", at });
  }
}
