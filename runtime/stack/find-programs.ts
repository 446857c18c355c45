import { resolve } from "node:path";
import { defaultCacheFolder } from "./cache-folder.ts";
import { ServersNotFoundError } from "./errors.ts";
import { installHint, readHost } from "./host.ts";
import { canUnpack, findUnpacked, unpackServers, type ReportStep } from "./packages.ts";
import { findNats, findPostgres, type NatsProgram, type PostgresPrograms } from "./programs.ts";
import type { ServerUser } from "./server-user.ts";

export interface Programs {
  readonly postgres: PostgresPrograms | undefined;
  readonly nats: NatsProgram | undefined;
}

/**
 * The programs of the wanted servers: installed ones, else unpacked ones.
 *
 * @throws {@link ServersNotFoundError} if there are none and this system's packages cannot be unpacked.
 */
export async function findPrograms(
  options: {
    readonly cacheDir?: string | undefined;
    readonly report?: ReportStep | undefined;
    /** Ends a fetch that is under way. */
    readonly signal?: AbortSignal | undefined;
  },
  user: ServerUser | undefined,
  wanted: {
    readonly postgres: boolean;
    readonly nats: boolean;
    /** The major version that wrote the data there is. */
    readonly major?: string | undefined;
  },
): Promise<Programs> {
  const [postgres, nats] = await Promise.all([
    wanted.postgres ? findPostgres(user, wanted.major) : undefined,
    wanted.nats ? findNats(user) : undefined,
  ]);
  if ((!postgres || postgres.fit) && (!nats || nats.fit)) return { postgres: postgres?.fit, nats: nats?.fit };
  const host = await readHost();
  const cacheDir = options.cacheDir === undefined ? defaultCacheFolder(process.env) : resolve(options.cacheDir);
  let unpacked = await findUnpacked(cacheDir, host);
  if (!unpacked) {
    if (!(await canUnpack(host))) {
      const missing = [
        postgres && !postgres.fit ? "PostgreSQL with pgvector" : "",
        nats && !nats.fit ? "nats-server" : "",
      ];
      const unfit = [...(postgres?.unfit ?? []), ...(nats?.unfit ?? [])].map(
        ({ path, why }) => ` Not fit: ${path} (${why}).`,
      );
      throw new ServersNotFoundError(
        `Not found on ${host.name}: ${missing.filter((name) => name !== "").join(" and ")}.${unfit.join("")} ${installHint(host)}`,
        { details: { system: host.name } },
      );
    }
    unpacked = await unpackServers(cacheDir, host, options.report ?? (() => undefined), options.signal);
  }
  return {
    postgres: postgres && (postgres.fit ?? unpacked.postgres),
    nats: nats && (nats.fit ?? unpacked.nats),
  };
}
