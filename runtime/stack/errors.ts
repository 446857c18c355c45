import { SignalboxError } from "../core/errors.ts";

/** DATABASE_URL or NATS_URL is not a URL of a Postgres or NATS server. */
export class InvalidServerUrlError extends SignalboxError {
  static override readonly code = "SERVER_URL_INVALID";
}

/** Nothing that speaks Postgres's protocol answers where DATABASE_URL points. */
export class PostgresUnreachableError extends SignalboxError {
  static override readonly code = "POSTGRES_UNREACHABLE";
  static override readonly disposition = "retry";
}

/** The Postgres server is older than Signalbox can use. */
export class PostgresTooOldError extends SignalboxError {
  static override readonly code = "POSTGRES_TOO_OLD";
}

/** Nothing that speaks NATS's protocol answers where NATS_URL points. */
export class NatsUnreachableError extends SignalboxError {
  static override readonly code = "NATS_UNREACHABLE";
  static override readonly disposition = "retry";
}

/** The NATS server answers but does not accept the user and password of NATS_URL. */
export class NatsRefusedError extends SignalboxError {
  static override readonly code = "NATS_REFUSED";
}

/** The NATS server is older than Signalbox can use. */
export class NatsTooOldError extends SignalboxError {
  static override readonly code = "NATS_TOO_OLD";
}

/** The NATS server runs without JetStream. */
export class JetStreamDisabledError extends SignalboxError {
  static override readonly code = "JETSTREAM_DISABLED";
}

/** No fit server programs are installed, and on this system they cannot be unpacked from packages. */
export class ServersNotFoundError extends SignalboxError {
  static override readonly code = "SERVERS_NOT_FOUND";
}

/** The servers' packages could not be fetched or unpacked. */
export class PackagesUnavailableError extends SignalboxError {
  static override readonly code = "PACKAGES_UNAVAILABLE";
  static override readonly disposition = "retry";
}

/** A folder cannot be used for what it is meant for: not writable, or somebody else's. */
export class FolderUnusableError extends SignalboxError {
  static override readonly code = "FOLDER_UNUSABLE";
}

/** Another process runs its servers on this data folder. */
export class DataFolderInUseError extends SignalboxError {
  static override readonly code = "DATA_FOLDER_IN_USE";
  static override readonly disposition = "wait";
}

/** The data folder was written by another major version of PostgreSQL than any that was found. */
export class DataFolderVersionError extends SignalboxError {
  static override readonly code = "DATA_FOLDER_VERSION";
}

/** Servers may not run as root, and no other user could be taken. */
export class ServerUserError extends SignalboxError {
  static override readonly code = "SERVER_USER_MISSING";
}

/** A private server did not start, or ended and did not come back. */
export class ServerFailedError extends SignalboxError {
  static override readonly code = "SERVER_FAILED";
  static override readonly disposition = "retry";
}
