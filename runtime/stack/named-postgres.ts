import { PgvectorMissingError, PostgresRefusedError } from "../core/errors.ts";
import type { OpenSqlConnection } from "../core/stack.ts";
import { errorCode } from "./error-code.ts";
import { InvalidServerUrlError, PostgresTooOldError, PostgresUnreachableError } from "./errors.ts";
import { probe } from "./probe.ts";
import { parseServerUrl, reasonOf } from "./server-url.ts";
import { isAtLeast, OLDEST } from "./versions.ts";

/** What a Postgres server says of itself. */
export interface PostgresFacts {
  /** For people, without the password: `db.example:5432/claims`. */
  readonly where: string;
  readonly version: string;
  readonly pgvector: string;
}

const TIMEOUT_MS = 5_000;
/** SSLRequest of the Postgres protocol: every server answers it with one byte, S or N, before anything else. */
const SSL_REQUEST = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);

const FACTS = `select current_setting('server_version') as version,
  (select coalesce(installed_version, default_version) from pg_available_extensions where name = 'vector') as pgvector`;

/**
 * Checks that a named Postgres server can be used: reached, entered, new enough, with pgvector.
 *
 * @throws {@link InvalidServerUrlError}, {@link PostgresUnreachableError}, {@link PostgresRefusedError},
 *   {@link PostgresTooOldError} or {@link PgvectorMissingError}.
 */
export async function checkPostgres(url: string, open: OpenSqlConnection): Promise<PostgresFacts> {
  const parsed = parsePostgresUrl(url);
  const where = `${parsed.host === "" ? "the local socket" : parsed.host}${parsed.pathname}`;
  await reach(parsed, where);
  const refused = (error: unknown): never => {
    throw refusal(error, where);
  };
  const connection = await open({ url, applicationName: "signalbox-check" }).catch(refused);
  try {
    const [row] = await connection.query<{ version: string; pgvector: string | null }>(FACTS).catch(refused);
    // "17.5 (Debian 17.5-1.pgdg120+1)"
    const version = row?.version.split(" ")[0] ?? "0";
    if (!isAtLeast(version, OLDEST.postgres)) {
      throw new PostgresTooOldError(
        `The Postgres server at ${where} is version ${version}; Signalbox needs ${OLDEST.postgres} or newer. Upgrade it, or unset DATABASE_URL to have Signalbox start a private one.`,
        { details: { where, version } },
      );
    }
    const pgvector = row?.pgvector ?? undefined;
    if (pgvector === undefined || !isAtLeast(pgvector, OLDEST.pgvector)) {
      const found =
        pgvector === undefined ? "does not have the extension pgvector" : `has pgvector ${pgvector}, which is too old`;
      throw new PgvectorMissingError(
        `The Postgres server at ${where} ${found}; Signalbox needs ${OLDEST.pgvector} or newer. Install it on the server's machine (on Debian: apt install postgresql-${version.split(".")[0] ?? ""}-pgvector), use the image pgvector/pgvector:pg17, or unset DATABASE_URL to have Signalbox start a private one.`,
        { details: { where, version, pgvector: pgvector ?? null } },
      );
    }
    return { where, version, pgvector };
  } finally {
    await connection.end();
  }
}

function parsePostgresUrl(url: string): URL {
  const parsed = parseServerUrl(url);
  if (parsed && (parsed.protocol === "postgres:" || parsed.protocol === "postgresql:")) return parsed;
  // The text is not quoted: it may hold a password.
  throw new InvalidServerUrlError(
    "DATABASE_URL is not the URL of a Postgres database. Write it as postgres://USER:PASSWORD@HOST:5432/DATABASE (characters such as @ or / in the password as %40 or %2F), or unset it.",
  );
}

/** Finds out in a bounded time whether something there speaks Postgres; the driver alone may wait for minutes. */
async function reach(url: URL, where: string): Promise<void> {
  // A host in the query is a socket's folder: opening it cannot hang.
  if (url.hostname === "" || url.searchParams.has("host")) return;
  const port = url.port === "" ? 5432 : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  try {
    const answer = await probe({
      host,
      port,
      timeoutMs: TIMEOUT_MS,
      hello: SSL_REQUEST,
      hear: (heard) => ({ done: String.fromCharCode(heard[0] ?? 0) }),
    });
    if (answer === "S" || answer === "N") return;
    throw new Error("what answers there does not speak Postgres's protocol");
  } catch (error) {
    throw unreachable(where, error);
  }
}

function unreachable(where: string, cause: unknown): PostgresUnreachableError {
  return new PostgresUnreachableError(
    `No Postgres server answers at ${where}: ${reasonOf(cause)}. Check that it runs and that DATABASE_URL names it, or unset DATABASE_URL to have Signalbox start a private one.`,
    { details: { where }, cause },
  );
}

/** Sorts what the driver says: the server is not there for anybody, or not for us. */
function refusal(error: unknown, where: string): PostgresUnreachableError | PostgresRefusedError {
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const state = sqlStateOf(cause);
  // 08: connection lost; 53: no connections, memory or disk left; 57P: shutting down or starting up.
  const gone = state === undefined ? isSystemError(cause) : /^(08|53|57P)/.test(state);
  if (gone) return unreachable(where, cause);
  return new PostgresRefusedError(
    `The Postgres server at ${where} does not let Signalbox in: ${reasonOf(cause)}. Check the user, the password, the database's name and the options (sslmode for example) in DATABASE_URL.`,
    { details: { where, sqlstate: state ?? null }, cause },
  );
}

/** Only what the server itself said has a severity; system errors have codes such as EPIPE, which look alike. */
function sqlStateOf(error: unknown): string | undefined {
  return error instanceof Error && "severity" in error ? errorCode(error) : undefined;
}

function isSystemError(error: unknown): boolean {
  return error instanceof AggregateError || (error instanceof Error && "syscall" in error);
}
