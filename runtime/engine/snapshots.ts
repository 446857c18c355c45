import { sha256 } from "../core/canonical.ts";
import type { Claim } from "../core/journal.ts";
import type { JournalEvent, NewEvent, Wait } from "../core/events.ts";
import { forgetPast, keptOf, restoredRecord } from "../core/kept-record.ts";
import { applyEvent, emptyRecord, type RunRecord } from "../core/run-record.ts";
import type { AttemptServices } from "./attempt-services.ts";
import { RecordIncompleteError, UnrecordableValueError } from "./errors.ts";
import { NotStorable } from "./graph-state.ts";
import { recordableError } from "./recordable-error.ts";
import { readSnapshot, snapshotText, type GraphPoint } from "./snapshot-text.ts";

/** How much of a snapshot one superstep pays for: what writes it all down again must stay cheap beside what was done since. */
const BYTES_A_SUPERSTEP = 1_024;

/** How many events may wait to be taken into account. */
const MOST_BEHIND = 32;

/** What an attempt starts from. */
export interface Opened {
  readonly record: RunRecord;
  /** Where the graph goes on, without coming there step by step; null: from the start. */
  readonly from: GraphPoint | null;
  readonly snapshots: SnapshotTaker;
}

/**
 * Reads what an attempt has to know: from the newest snapshot on, or else everything.
 *
 * @param shape what the graph is like that is to go on; null where none is
 * @throws {@link RecordIncompleteError} if the journal does not reach as far as the run's row says: acting on a part
 *   of the record could repeat what the rest of it did.
 */
export async function openRecord(claim: Claim, services: AttemptServices, shape: string | null): Promise<Opened> {
  const { head } = claim;
  // A run with fewer events has none.
  if (shape !== null && head.seq > services.limits.snapshotEvery) {
    const opened = await fromSnapshot(claim, services, shape);
    if (opened) return opened;
  }
  const record = emptyRecord();
  const tail = emptyRecord();
  const events = claim.events ?? (await services.journal.read(head.run));
  for (const event of events) {
    applyEvent(record, event);
    follow(tail, event);
  }
  const last = events.at(-1);
  const [first] = events;
  if (!first || last?.seq !== head.seq || last.hash !== head.hash || events.length !== head.seq) {
    throw new RecordIncompleteError(
      `The record of the run ${head.run} does not end where it should (event ${String(head.seq)}), so the run does not go on. "npx signalbox audit verify ${head.session}" names the first event that is wrong.`,
      { details: { run: head.run, seq: head.seq } },
    );
  }
  return { record, from: null, snapshots: new SnapshotTaker(services, { first, tail, stored: false, shape }) };
}

async function fromSnapshot(claim: Claim, services: AttemptServices, shape: string): Promise<Opened | null> {
  const { head } = claim;
  const ignored = (error: unknown): null => {
    services.onTrouble("a snapshot is not used: the whole record is read", recordableError(error), { run: head.run });
    return null;
  };
  try {
    const found = await services.snapshots.newest(head);
    if (found.kind === "none") return null;
    if (found.kind === "unusable") return ignored(new NotStorable(found.why));
    const { text, first, events } = found.snapshot;
    const snapshot = readSnapshot(text);
    const [superstep] = events;
    if (first.type !== "run_started" || first.hash !== snapshot.first || snapshot.run !== head.run) {
      throw new NotStorable("It is of another run.");
    }
    if (snapshot.shape !== shape) throw new NotStorable("The graph is another one.");
    if (
      superstep?.type !== "superstep_finished" ||
      superstep.data.step !== snapshot.point.step ||
      superstep.data.graph !== "" ||
      superstep.data.channels !== snapshot.point.channels
    ) {
      throw new NotStorable("Its state is not that of the superstep before it.");
    }
    const record = restoredRecord(snapshot.record, first.data);
    const tail = restoredRecord(snapshot.record, first.data);
    for (const event of events) {
      applyEvent(record, event);
      follow(tail, event);
    }
    return {
      record,
      from: snapshot.point,
      snapshots: new SnapshotTaker(services, { first, tail, stored: true, shape }),
    };
  } catch (error) {
    if (error instanceof NotStorable || error instanceof UnrecordableValueError) return ignored(error);
    throw error;
  }
}

/** True right after a superstep of the run's own graph, before anything of the next one. */
function isBoundary(event: NewEvent): boolean {
  // LangGraph does not wait for its first checkpoint, of the input.
  return event.type === "superstep_finished" && event.data.graph === "" && event.data.step >= 0;
}

/** @returns true where a snapshot could be taken now. */
function follow(tail: RunRecord, event: JournalEvent): boolean {
  applyEvent(tail, event);
  return isBoundary(event) && forgetPast(tail);
}

/** Takes the snapshots of one attempt. */
export class SnapshotTaker {
  readonly #services: AttemptServices;
  readonly #first: JournalEvent;
  readonly #shape: string | null;
  /** The record since the last boundary: what a snapshot that is taken now has to hold of it. */
  readonly #caughtUp: RunRecord;
  /** What it has not taken into account yet: most runs end before anybody asks. */
  #behind: JournalEvent[] = [];
  /** The superstep of the newest snapshot, or at which one was tried. */
  #lastStep: number;
  #mayTake = false;
  /** The newest one that was taken, until it is stored. */
  #unstored: { readonly placed: Promise<number | null>; readonly text: string } | null = null;
  /** When the attempt began, or one was last stored (monotonic). */
  #storedMs: number;
  #keeping: Promise<void> = Promise.resolve();

  constructor(
    services: AttemptServices,
    from: {
      readonly first: JournalEvent;
      readonly tail: RunRecord;
      /** False where the newest snapshot is not there, or cannot be used: then the next one is due at once. */
      readonly stored: boolean;
      readonly shape: string | null;
    },
  ) {
    this.#services = services;
    this.#first = from.first;
    this.#caughtUp = from.tail;
    this.#shape = from.shape;
    const { snapshot } = from.tail;
    const isMissing = snapshot !== null && !from.stored;
    this.#lastStep = snapshot === null ? -1 : isMissing ? -Infinity : snapshot.step;
    this.#storedMs = isMissing ? -Infinity : services.clock.monotonicMs();
  }

  /** True if the run has ever had one: it may be there to be dropped. */
  get taken(): boolean {
    return this.#tail.snapshot !== null;
  }

  /** What the run waited for when it last parked; null if whoever reads from the newest snapshot on cannot know. */
  get parked(): readonly Wait[] | null {
    return this.#tail.parked;
  }

  /** Stores what was taken and is not stored yet. Resolves once it is, or could not be. */
  store(): Promise<void> {
    const unstored = this.#unstored;
    if (unstored === null) return this.#keeping;
    this.#unstored = null;
    this.#storedMs = this.#services.clock.monotonicMs();
    const { run } = this.#first;
    const keep = async (): Promise<void> => {
      const seq = await unstored.placed;
      if (seq !== null) await this.#services.snapshots.keep(run, seq, unstored.text);
    };
    this.#keeping = this.#keeping.then(keep).catch((error: unknown) => {
      this.#services.onTrouble("a snapshot was not kept", recordableError(error), { run });
    });
    return this.#keeping;
  }

  /** Lets go of what was taken and is not stored yet. Resolves once nothing is being stored. */
  drop(): Promise<void> {
    this.#unstored = null;
    return this.#keeping;
  }

  /** Takes one more event into account. */
  follow(event: JournalEvent): void {
    this.#behind.push(event);
    if (this.#behind.length >= MOST_BEHIND) this.#catchUp();
  }

  #catchUp(): void {
    for (const event of this.#behind) this.#mayTake = follow(this.#caughtUp, event);
    this.#behind = [];
  }

  get #tail(): RunRecord {
    this.#catchUp();
    return this.#caughtUp;
  }

  /**
   * Takes a snapshot right after a superstep's event, if one is due, and stores it unless the one before is fresh.
   *
   * @param append records the event that names it, and gives its place once that is durable
   */
  offer(point: GraphPoint, append: (event: NewEvent) => Promise<number>): void {
    if (this.#shape === null || !this.#isDue(point.step) || !this.#mayTakeNow()) return;
    this.#lastStep = point.step;
    const { run, hash: first } = this.#first;
    let text: string;
    try {
      text = snapshotText({ run, first, shape: this.#shape, point, record: keptOf(this.#tail) });
    } catch (error) {
      // Nothing is lost: it is tried again later.
      if (error instanceof NotStorable || error instanceof UnrecordableValueError) return;
      throw error;
    }
    const bytes = Buffer.byteLength(text);
    // Refused: what it goes on from is in nobody's record. What that means for the attempt others see to.
    const placed = append({ type: "snapshot_taken", data: { step: point.step, bytes, hash: sha256(text) } }).catch(
      () => null,
    );
    this.#unstored = { placed, text };
    // A thousand supersteps may take less than a second, and going through them again no longer than that; but all the
    // snapshots on the way are many times what the supersteps recorded.
    const { clock, limits } = this.#services;
    if (clock.monotonicMs() - this.#storedMs >= limits.storeSnapshotEveryMs) void this.store();
  }

  #isDue(step: number): boolean {
    const supersteps = step - this.#lastStep;
    if (supersteps < this.#services.limits.snapshotEvery) return false;
    return supersteps >= (this.#tail.snapshot?.bytes ?? 0) / BYTES_A_SUPERSTEP;
  }

  #mayTakeNow(): boolean {
    this.#catchUp();
    return this.#mayTake;
  }
}
