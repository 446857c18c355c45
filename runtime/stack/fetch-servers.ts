import { resolve } from "node:path";
import { expectedServersFolder } from "./data-folder.ts";
import { findPrograms } from "./find-programs.ts";
import { postgresMajorOf } from "./postgres.ts";
import { serverUser } from "./server-user.ts";
import type { StackOptions } from "./start-stack.ts";

/** A fetch under way. Disposing of it ends what is not finished. */
export interface Fetching extends AsyncDisposable {
  /** Resolves once the servers' programs are on this machine; rejects as a start would. */
  readonly done: Promise<void>;
}

/**
 * Begins to fetch the programs of the private servers, if they are not there, for a start that has
 * something else to do first: a fetch takes seconds, most of them waiting. Starts nothing and leaves the
 * data folder alone. May be called any number of times.
 */
export function fetchServers(
  options: Pick<StackOptions, "dataDir" | "databaseUrl" | "natsUrl" | "cacheDir" | "report"> & {
    /** What is in the data folder is not going to be used. */
    readonly fresh?: boolean | undefined;
  },
): Fetching {
  const stop = new AbortController();
  const done = fetchMissing(options, stop.signal);
  const settled = done.catch(() => undefined);
  return {
    done,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await settled;
    },
  };
}

async function fetchMissing(options: Parameters<typeof fetchServers>[0], signal: AbortSignal): Promise<void> {
  const wanted = { postgres: !options.databaseUrl, nats: !options.natsUrl };
  if (!wanted.postgres && !wanted.nats) return;
  const folder = await expectedServersFolder(resolve(options.dataDir));
  const major = options.fresh === true ? undefined : await postgresMajorOf(folder);
  const { cacheDir, report } = options;
  await findPrograms({ cacheDir, report, signal }, await serverUser(), { ...wanted, major });
}
