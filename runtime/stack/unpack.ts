import { setMaxListeners } from "node:events";
import { availableParallelism } from "node:os";
import type { Apt, FetchedPackage } from "./apt.ts";
import type { PackageRecord } from "./package-index.ts";
import { runProgram } from "./run-program.ts";

/** Enough to keep a line busy while one answer is awaited, and few enough to be a polite guest. */
const FETCHES_AT_ONCE = 3;
/** Small packages are fetched together: a fetch of its own costs each some 50 ms. */
const FETCH_BYTES = 4_000_000;
const UNPACK_WITHIN_MS = 300_000;

/**
 * Fetches packages and unpacks them into a folder, both at once: the largest first, because it takes
 * the longest to unpack, which one processor has to do alone. When it settles, nothing writes to the
 * folder any more; it rejects with the first thing that went wrong.
 */
export async function fetchAndUnpack(
  apt: Pick<Apt, "download">,
  records: readonly PackageRecord[],
  folder: string,
  outer?: AbortSignal,
): Promise<void> {
  const fetching = slots(FETCHES_AT_ONCE);
  // More than processors, because each waits for its disk now and then.
  const unpacking = slots(2 * availableParallelism());
  const stop = new AbortController();
  const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal;
  // One listener for each program that runs; Node takes more than ten for a leak.
  setMaxListeners(0, signal);
  const failures: unknown[] = [];
  /** One failure ends what still runs: nobody waits for the rest of a download that is lost. */
  const orStop = async (work: Promise<unknown>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      failures.push(error);
      stop.abort();
    }
  };
  const unpack = ({ file, record }: FetchedPackage): Promise<unknown> =>
    unpacking(record.sizeBytes, () =>
      runProgram("dpkg-deb", ["-x", file, folder], { timeoutMs: UNPACK_WITHIN_MS, signal }),
    );
  const fetch = async (batch: readonly PackageRecord[]): Promise<void> => {
    const fetched = await fetching(0, () => apt.download(batch, signal));
    await Promise.all(fetched.map((one) => orStop(unpack(one))));
  };
  await Promise.all(batches(records).map((batch) => orStop(fetch(batch))));
  if (failures.length > 0) throw failures[0];
}

/** Parts of the records, each a single large one or enough small ones for a fetch; the largest first. */
export function batches(records: readonly PackageRecord[]): PackageRecord[][] {
  const made: PackageRecord[][] = [];
  let bytes = FETCH_BYTES;
  for (const record of records.toSorted((a, b) => b.sizeBytes - a.sizeBytes)) {
    if (bytes >= FETCH_BYTES) {
      made.push([]);
      bytes = 0;
    }
    made.at(-1)?.push(record);
    bytes += record.sizeBytes;
  }
  return made;
}

/** Lets so many works run at once. Of those that wait the weightiest is next, of equals the first that came. */
function slots(count: number): <T>(weight: number, work: () => Promise<T>) => Promise<T> {
  const waiting: { readonly weight: number; readonly go: () => void }[] = [];
  let free = count;
  return async (weight, work) => {
    if (free > 0) free -= 1;
    else {
      await new Promise<void>((go) => {
        const lighter = waiting.findIndex((other) => other.weight < weight);
        waiting.splice(lighter < 0 ? waiting.length : lighter, 0, { weight, go });
      });
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next.go();
      else free += 1;
    }
  };
}
