import { SignalboxError } from "signalbox";

/** A policy wording does not have the tables that coverage is read from, or one of them has a bad line. */
export class WordingUnreadableError extends SignalboxError {
  static override readonly code = "WORDING_UNREADABLE";
}

/** The ledger holds a broken line that may be the payment in question, so nobody can say whether it was made. */
export class LedgerUnreadableError extends SignalboxError {
  static override readonly code = "LEDGER_UNREADABLE";
}
