/** A bad event, and what decides which of several is named. */
export interface Finding {
  readonly run: string;
  readonly seq: number;
  readonly problem: string;
  /** Whether the event contradicts its own run, or only the event that caused the run. */
  readonly about: "run" | "cause";
  /** When it was recorded, or the event before it if it is missing. Milliseconds since the epoch. */
  readonly at: number;
}

/** Keeps the one finding that is named: the earliest that contradicts its own run, or else the earliest of the others. */
export class Findings {
  #first: Finding | null = null;

  get first(): Finding | null {
    return this.#first;
  }

  note(finding: Finding): void {
    if (this.#first === null || comesBefore(finding, this.#first)) this.#first = finding;
  }
}

function comesBefore(one: Finding, other: Finding): boolean {
  if (one.about !== other.about) return one.about === "run";
  return one.at < other.at;
}
