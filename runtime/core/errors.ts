import type { JsonValue } from "./json.ts";

/**
 * What a caller may do about an error: `terminal`, it will not get better by itself; `retry`, the
 * same call may go through later; `wait`, somebody or something else has to act first.
 */
export type Disposition = "terminal" | "retry" | "wait";

export interface ErrorOptions {
  readonly details?: Readonly<Record<string, JsonValue>>;
  readonly cause?: unknown;
}

/**
 * The base of every error that Signalbox throws on purpose. One subclass a cause; each has a stable
 * `code` that is listed in `docs/errors.md` (a test compares the two). The message says what
 * happened, to what, and what to do next.
 */
export abstract class SignalboxError extends Error {
  static readonly code: string = "SIGNALBOX";
  static readonly disposition: Disposition = "terminal";
  readonly details: Readonly<Record<string, JsonValue>>;

  constructor(message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.details = options.details ?? {};
  }

  get code(): string {
    return (this.constructor as typeof SignalboxError).code;
  }

  get disposition(): Disposition {
    return (this.constructor as typeof SignalboxError).disposition;
  }
}

/** An error as it is recorded and as it travels: no stack, nothing that cannot be serialised. */
export interface ErrorRecord {
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly details?: Readonly<Record<string, JsonValue>> | undefined;
}

/** The recordable form of anything that was thrown. */
export function toErrorRecord(thrown: unknown): ErrorRecord {
  if (thrown instanceof SignalboxError) {
    return { name: thrown.name, message: thrown.message, code: thrown.code, details: thrown.details };
  }
  if (thrown instanceof Error) {
    const code: unknown = "code" in thrown ? thrown.code : undefined;
    return {
      name: thrown.name,
      message: thrown.message,
      ...(typeof code === "string" ? { code } : {}),
    };
  }
  if (typeof thrown === "string") return { name: "Error", message: thrown };
  return fromOtherThrown(thrown);
}

/** Clients of services often throw plain objects, `{ code: 7, message: "…" }`. Whatever else they carry may be secret. */
function fromOtherThrown(thrown: unknown): ErrorRecord {
  const not = "A value that is not an Error was thrown";
  if (typeof thrown !== "object" || thrown === null) return { name: "Error", message: `${not}: ${String(thrown)}.` };
  const { name, message, code } = thrown as Readonly<Record<string, unknown>>;
  const fields = Object.keys(thrown).slice(0, 10).join(", ");
  return {
    name: typeof name === "string" ? name : "Error",
    message: typeof message === "string" ? message : `${not}: an object with ${fields === "" ? "no fields" : fields}.`,
    ...(typeof code === "string" || typeof code === "number" ? { code: String(code) } : {}),
  };
}

/** The input of a run does not fit the agent's input schema. */
export class InvalidInputError extends SignalboxError {
  static override readonly code: string = "INVALID_INPUT";
}

/** Something that was asked for by name does not exist. */
export class NotFoundError extends SignalboxError {
  static override readonly code: string = "NOT_FOUND";
}

/** Who asked is known, and may not do this. */
export class ForbiddenError extends SignalboxError {
  static override readonly code: string = "FORBIDDEN";
}

/** Who asked is not known: not signed in, or the sign-in or token is no longer valid. */
export class NotSignedInError extends SignalboxError {
  static override readonly code: string = "NOT_SIGNED_IN";
}

/** The thing has moved on since it was looked at: decided, ended, or taken by somebody else. */
export class ConflictError extends SignalboxError {
  static override readonly code: string = "CONFLICT";
}

/** The Postgres server answers but does not let us do what we must: wrong password, no such database, no right to make tables. */
export class PostgresRefusedError extends SignalboxError {
  static override readonly code = "POSTGRES_REFUSED";
}

/** The Postgres server has no pgvector, one that is too old, or one that this user may not put to use. */
export class PgvectorMissingError extends SignalboxError {
  static override readonly code = "PGVECTOR_MISSING";
}
