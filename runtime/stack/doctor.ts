import { access, constants } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname, join, resolve } from "node:path";
import { SignalboxError } from "../core/errors.ts";
import type { OpenSqlConnection } from "../core/stack.ts";
import { defaultCacheFolder } from "./cache-folder.ts";
import { dataFolderHolder, expectedServersFolder, FILES } from "./data-folder.ts";
import { exists, readText } from "./files.ts";
import { installHint, readHost, type Host } from "./host.ts";
import { checkNats } from "./named-nats.ts";
import { checkPostgres } from "./named-postgres.ts";
import { canUnpack, findUnpacked, type UnpackedServers } from "./packages.ts";
import { postgresMajorOf } from "./postgres.ts";
import { isPortFree } from "./probe.ts";
import { findNats, findPostgres, type UnfitProgram } from "./programs.ts";
import { serverUser, type ServerUser } from "./server-user.ts";
import { findRunningStack } from "./start-stack.ts";
import { findVersion, isAtLeast, OLDEST } from "./versions.ts";

export interface DoctorOptions {
  readonly dataDir: string;
  readonly open: OpenSqlConnection;
  readonly databaseUrl?: string | undefined;
  readonly natsUrl?: string | undefined;
  readonly cacheDir?: string | undefined;
  /** The port that the console would listen on. */
  readonly consolePort?: number | undefined;
}

/** One thing that was looked at. `todo` says what to do about it, where something is to be done. */
export interface DoctorCheck {
  readonly name: string;
  /** `fail`: Signalbox will not start like this. `warn`: it will, but look at this. */
  readonly status: "ok" | "warn" | "fail";
  readonly found: string;
  readonly todo?: string;
}

export interface DoctorReport {
  /** True if nothing failed. */
  readonly ok: boolean;
  readonly checks: readonly DoctorCheck[];
}

/** Looks at everything that a start needs, and changes nothing: fetches nothing, starts nothing. Never throws. */
export async function doctor(options: DoctorOptions): Promise<DoctorReport> {
  const host = await readHost();
  const dataDir = resolve(options.dataDir);
  const running = await findRunningStack(dataDir).catch(() => undefined);
  const user = await serverUser().catch((error: unknown) => error as Error);
  const checks = await Promise.all([
    guarded("node", () => Promise.resolve(nodeCheck(process.version))),
    guarded("system", () => Promise.resolve(systemCheck(host, user))),
    guarded("data folder", () => dataFolderCheck(dataDir)),
    guarded("postgres", () => postgresCheck(options, host, dataDir, asUser(user))),
    guarded("nats", () => natsCheck(options, host, asUser(user))),
    guarded("cache folder", () => cacheCheck(options, host)),
    guarded("console port", () => portCheck(options.consolePort, running !== undefined)),
  ]);
  const servers: DoctorCheck[] = (running?.describe() ?? []).map(({ name, where, version, pid, kind }) => ({
    name: `running ${name}`,
    status: "ok",
    found: `${kind} ${name} ${version} at ${where}${pid === undefined ? "" : `, process ${String(pid)}`}`,
  }));
  const all = [...checks.flat(), ...servers];
  return { ok: all.every((check) => check.status !== "fail"), checks: all };
}

/** A check that goes wrong in a way that nobody foresaw is a finding, not the end of the report. */
async function guarded(
  name: string,
  look: () => Promise<DoctorCheck | readonly DoctorCheck[]>,
): Promise<readonly DoctorCheck[]> {
  try {
    return [await look()].flat();
  } catch (error) {
    return [failed(name, error)];
  }
}

function failed(name: string, error: unknown): DoctorCheck {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof SignalboxError ? `${error.code}: ` : "";
  // Our messages put what to do after what happened.
  const cut = /^(.*?[^.]\.) (?=[A-Z])/s.exec(message)?.[0] ?? message;
  const todo = message.slice(cut.length).trim();
  return { name, status: "fail", found: `${code}${cut.trim()}`, ...(todo === "" ? {} : { todo }) };
}

export function nodeCheck(nodeVersion: string): DoctorCheck {
  const version = findVersion(nodeVersion) ?? "0";
  if (isAtLeast(version, OLDEST.node)) return { name: "node", status: "ok", found: `Node ${version}` };
  return {
    name: "node",
    status: "fail",
    found: `Node ${version}`,
    todo: `Install Node ${OLDEST.node} or newer.`,
  };
}

function systemCheck(host: Host, user: ServerUser | Error | undefined): DoctorCheck {
  if (user instanceof Error) return failed("system", user);
  const name = process.platform === "win32" ? "" : `, user ${userInfo().username}`;
  const servers = user ? `; servers run as ${user.name}` : "";
  return { name: "system", status: "ok", found: `${host.name} on ${host.arch}${name}${servers}` };
}

async function dataFolderCheck(dataDir: string): Promise<DoctorCheck> {
  const name = "data folder";
  const holder = await dataFolderHolder(dataDir);
  if (holder) {
    return { name, status: "ok", found: `${dataDir}, in use by the process ${String(holder.pid)}` };
  }
  const place = await nearestExisting(dataDir);
  if (!(await isWritable(place))) {
    return {
      name,
      status: "fail",
      found: `${dataDir}: ${place} is not writable`,
      todo: "Make it writable for this user, or name another data folder.",
    };
  }
  const elsewhere = await readText(join(dataDir, FILES.pointer));
  const where = elsewhere === undefined ? "" : `; the servers' data is in ${elsewhere}`;
  return { name, status: "ok", found: `${dataDir}${place === dataDir ? "" : " (to be made)"}${where}` };
}

async function postgresCheck(
  options: DoctorOptions,
  host: Host,
  dataDir: string,
  user: ServerUser | undefined,
): Promise<readonly DoctorCheck[]> {
  if (options.databaseUrl) {
    const { where, version, pgvector } = await checkPostgres(options.databaseUrl, options.open);
    return [
      { name: "postgres", status: "ok", found: `PostgreSQL ${version} at ${where} (DATABASE_URL)` },
      { name: "pgvector", status: "ok", found: `pgvector ${pgvector}` },
    ];
  }
  const major = await postgresMajorOf(await expectedServersFolder(dataDir)).catch(() => undefined);
  const { fit, unfit } = await findPostgres(user, major);
  const unpacked = fit ? undefined : await findUnpacked(cacheFolder(options), host);
  const programs = fit ?? unpacked?.postgres;
  if (!programs) return [await absent("postgres", host, unfit)];
  const from = fit ? fit.binFolder : fromPackages(unpacked);
  const checks: DoctorCheck[] = [
    { name: "postgres", status: "ok", found: `PostgreSQL ${programs.version}, ${from}${notUsed(unfit)}` },
    { name: "pgvector", status: "ok", found: `pgvector ${programs.pgvector}` },
  ];
  if (major !== undefined && major !== programs.version.split(".")[0]) {
    checks.push({
      name: "postgres data",
      status: "fail",
      found: `written by PostgreSQL ${major}, which is not here`,
      todo: `Install PostgreSQL ${major} with pgvector, or start over with a fresh data folder.`,
    });
  }
  return checks;
}

async function natsCheck(options: DoctorOptions, host: Host, user: ServerUser | undefined): Promise<DoctorCheck> {
  if (options.natsUrl) {
    const { where, version } = await checkNats(options.natsUrl);
    return { name: "nats", status: "ok", found: `nats-server ${version} with JetStream at ${where} (NATS_URL)` };
  }
  const { fit, unfit } = await findNats(user);
  if (fit) return { name: "nats", status: "ok", found: `nats-server ${fit.version}, ${fit.path}${notUsed(unfit)}` };
  const unpacked = await findUnpacked(cacheFolder(options), host);
  if (!unpacked) return absent("nats", host, unfit);
  return {
    name: "nats",
    status: "ok",
    found: `nats-server ${unpacked.nats.version}, ${fromPackages(unpacked)}${notUsed(unfit)}`,
  };
}

/** Nothing fit is installed or unpacked yet: fine where it can be, a failure elsewhere. */
async function absent(name: string, host: Host, unfit: readonly UnfitProgram[]): Promise<DoctorCheck> {
  if (await canUnpack(host)) {
    const found = `not installed; the first start unpacks it from the packages of ${host.name} (some 45 MB)${notUsed(unfit)}`;
    return { name, status: "ok", found };
  }
  return { name, status: "fail", found: `not found${notUsed(unfit)}`, todo: installHint(host) };
}

function fromPackages(unpacked: UnpackedServers | undefined): string {
  return unpacked ? `unpacked from the packages of ${unpacked.suite} in ${unpacked.folder}` : "";
}

function notUsed(unfit: readonly UnfitProgram[]): string {
  return unfit
    .map(({ path, version, why }) => `; not used: ${path}${version === undefined ? "" : ` ${version}`} (${why})`)
    .join("");
}

async function cacheCheck(options: DoctorOptions, host: Host): Promise<DoctorCheck> {
  const name = "cache folder";
  const folder = cacheFolder(options);
  const place = await nearestExisting(folder);
  const filled = await findUnpacked(folder, host);
  if (filled || (await isWritable(place))) {
    return { name, status: "ok", found: `${folder}${filled ? "" : " (holds no servers)"}` };
  }
  return {
    name,
    status: "warn",
    found: `${folder}: ${place} is not writable`,
    todo: "Servers cannot be unpacked there. Make it writable, name another one, or install the servers.",
  };
}

async function portCheck(port: number | undefined, running: boolean): Promise<readonly DoctorCheck[]> {
  if (port === undefined) return [];
  const name = "console port";
  if (await isPortFree(port)) return [{ name, status: "ok", found: `${String(port)} is free` }];
  if (running) return [{ name, status: "ok", found: `${String(port)} is taken; Signalbox runs here` }];
  return [
    {
      name,
      status: "fail",
      found: `${String(port)} is taken by another program`,
      todo: "Stop that program, or start the console with --port and another number.",
    },
  ];
}

function cacheFolder(options: DoctorOptions): string {
  return options.cacheDir === undefined ? defaultCacheFolder(process.env) : resolve(options.cacheDir);
}

function asUser(user: ServerUser | Error | undefined): ServerUser | undefined {
  return user instanceof Error ? undefined : user;
}

async function nearestExisting(path: string): Promise<string> {
  let at = path;
  while (!(await exists(at)) && dirname(at) !== at) at = dirname(at);
  return at;
}

async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}
