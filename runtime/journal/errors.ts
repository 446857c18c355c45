import { SignalboxError } from "../core/errors.ts";

/** Postgres could not be reached, or ended the connection. */
export class DatabaseUnavailableError extends SignalboxError {
  static override readonly code = "DATABASE_UNAVAILABLE";
  static override readonly disposition = "retry";
}

/** A row that was needed is held by something else, for longer than anybody should hold one. Nothing was changed. */
export class DatabaseBusyError extends SignalboxError {
  static override readonly code = "DATABASE_BUSY";
  static override readonly disposition = "retry";
}

/** The database's tables are newer or older than this release, or were made by something else. */
export class SchemaMismatchError extends SignalboxError {
  static override readonly code = "SCHEMA_MISMATCH";
}

/** Another worker has taken the run over: nothing that this attempt does is recorded any more. */
export class FencedError extends SignalboxError {
  static override readonly code = "FENCED";
}

/** The stored record contradicts itself: it was altered, or written by a faulty program. */
export class CorruptJournalError extends SignalboxError {
  static override readonly code = "CORRUPT_JOURNAL";
}
