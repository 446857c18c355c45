import { access, constants, readdir, readFile, realpath, stat } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { runProgram } from "./run-program.ts";
import { canEnter, type ServerUser } from "./server-user.ts";
import { findVersion, isAtLeast, OLDEST } from "./versions.ts";

/** Fit programs of PostgreSQL with pgvector. */
export interface PostgresPrograms {
  /** Holds `postgres` and `initdb`. */
  readonly binFolder: string;
  readonly version: string;
  readonly pgvector: string;
}

/** A fit nats-server. */
export interface NatsProgram {
  readonly path: string;
  readonly version: string;
}

/** A program that was found and cannot be used, and why: for doctor. */
export interface UnfitProgram {
  readonly path: string;
  readonly version: string | undefined;
  readonly why: string;
}

export interface Found<Program> {
  readonly fit: Program | undefined;
  readonly unfit: readonly UnfitProgram[];
}

/** Where PostgreSQL's server programs hide when they are not on PATH: folders with versions in them. */
const POSTGRES_HOMES: readonly (readonly [folder: string, pattern: RegExp, bin: string])[] = [
  ["/usr/lib/postgresql", /^\d+$/, "bin"],
  ["/usr", /^pgsql-\d+$/, "bin"],
  ["/usr/libexec", /^postgresql\d*$/, ""],
  ["/opt/homebrew/opt", /^postgresql@\d+$/, "bin"],
  ["/usr/local/opt", /^postgresql@\d+$/, "bin"],
];

/** Where nats-server may be although a user's PATH does not lead there. */
const NATS_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

/**
 * Finds an installed PostgreSQL with pgvector: the newest one that is fit, or of `major` if the data
 * was written by that one.
 */
export async function findPostgres(user: ServerUser | undefined, major?: string): Promise<Found<PostgresPrograms>> {
  const fit: PostgresPrograms[] = [];
  const unfit: UnfitProgram[] = [];
  for (const binFolder of await postgresFolders()) {
    const judged = await judgePostgres(binFolder, user);
    if ("why" in judged) unfit.push(judged);
    else fit.push(judged);
  }
  const matching = fit.filter((found) => major === undefined || found.version.split(".")[0] === major);
  matching.sort((a, b) => (isAtLeast(a.version, b.version) ? -1 : 1));
  return { fit: matching[0], unfit };
}

/** Finds an installed nats-server: the first that is fit. */
export async function findNats(user: ServerUser | undefined): Promise<Found<NatsProgram>> {
  const unfit: UnfitProgram[] = [];
  for (const folder of new Set([...pathFolders(), ...NATS_FOLDERS])) {
    const path = join(folder, "nats-server");
    if (!(await isExecutable(path))) continue;
    const version = await versionOf(path);
    const why = (await whyUnreachable(path, user)) ?? whyTooOld(version, OLDEST.nats);
    if (why === undefined && version !== undefined) return { fit: { path, version }, unfit };
    unfit.push({ path, version, why: why ?? "it does not say its version" });
  }
  return { fit: undefined, unfit };
}

async function postgresFolders(): Promise<string[]> {
  const candidates = pathFolders().map((folder) => join(folder, "postgres"));
  for (const [home, pattern, bin] of POSTGRES_HOMES) {
    const names = await readdir(home).catch(() => []);
    for (const name of names) if (pattern.test(name)) candidates.push(join(home, name, bin, "postgres"));
  }
  const folders = new Set<string>();
  for (const candidate of candidates) {
    // PATH often holds links; the programs and their files lie beside the real one.
    if (await isExecutable(candidate)) folders.add(dirname(await realpath(candidate)));
  }
  return [...folders];
}

async function judgePostgres(
  binFolder: string,
  user: ServerUser | undefined,
): Promise<PostgresPrograms | UnfitProgram> {
  const path = join(binFolder, "postgres");
  const version = await versionOf(path);
  const unfit = (why: string): UnfitProgram => ({ path, version, why });
  const why = (await whyUnreachable(path, user)) ?? whyTooOld(version, OLDEST.postgres);
  if (why !== undefined || version === undefined) return unfit(why ?? "it does not say its version");
  if (!(await isExecutable(join(binFolder, "initdb")))) return unfit("initdb is not beside it");
  const pgvector = await pgvectorOf(binFolder, version.split(".")[0] ?? "");
  if (pgvector === undefined) return unfit("the extension pgvector is not installed for it");
  if (!isAtLeast(pgvector, OLDEST.pgvector)) return unfit(`its pgvector is ${pgvector}; needed is ${OLDEST.pgvector}`);
  return { binFolder, version, pgvector };
}

/** The version of pgvector that `create extension` would install. */
export async function pgvectorOf(binFolder: string, major: string): Promise<string | undefined> {
  const said = await runProgram(join(binFolder, "pg_config"), ["--sharedir"]).catch(() => "");
  const shares = [
    said.trim(),
    join(binFolder, "../../../../share/postgresql", major),
    join(binFolder, "../share/postgresql"),
    join(binFolder, "../share"),
  ];
  for (const share of shares.filter((folder) => folder !== "")) {
    const control = await readFile(join(share, "extension", "vector.control"), "utf8").catch(() => "");
    const version = /default_version\s*=\s*'([^']+)'/.exec(control)?.[1];
    if (version !== undefined) return version;
  }
  return undefined;
}

async function versionOf(path: string): Promise<string | undefined> {
  // "postgres (PostgreSQL) 17.5 (Debian …)", "nats-server: v2.10.27"
  return findVersion(await runProgram(path, ["--version"]).catch(() => ""));
}

function whyTooOld(version: string | undefined, oldest: string): string | undefined {
  return version !== undefined && !isAtLeast(version, oldest) ? `it is too old; needed is ${oldest}` : undefined;
}

async function whyUnreachable(path: string, user: ServerUser | undefined): Promise<string | undefined> {
  if (!user || (await canEnter(dirname(await realpath(path)), user))) return undefined;
  return `the user ${user.name}, which it would run as, cannot enter its folder`;
}

function pathFolders(): string[] {
  return (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder.startsWith("/"));
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
