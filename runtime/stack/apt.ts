import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { chooseSuite, mapSources, parseSources, sourcesList, type Distribution } from "./apt-sources.ts";
import { exists, readText } from "./files.ts";
import type { Host } from "./host.ts";
import { indexPackages, type PackageIndex, type PackageList, type PackageRecord } from "./package-index.ts";
import { runProgram } from "./run-program.ts";

/** An apt with lists and settings of its own, which leaves the system's untouched. */
export interface Apt extends AsyncDisposable {
  readonly suite: string;
  /** Fetches the lists of packages, which apt checks against the distribution's keys, and reads them. */
  lists(): Promise<PackageIndex>;
  /** Fetches packages, each checked against its hash in those lists; gives their files. Several calls may run at once. */
  download(records: readonly PackageRecord[], signal?: AbortSignal): Promise<FetchedPackage[]>;
}

export interface FetchedPackage {
  readonly record: PackageRecord;
  /** The path of its `.deb`. */
  readonly file: string;
}

const MINUTES = 60_000;

/** Fetches files as apt does: its proxies, transports and credentials. Part of apt since 1.1. */
export const APT_HELPER = "/usr/lib/apt/apt-helper";

/** Makes a private apt workspace in a folder of its own; disposing of it removes the folder. The signal ends what runs. */
export async function aptWorkspace(folder: string, host: Host, signal?: AbortSignal): Promise<Apt> {
  const { distribution } = host;
  if (!distribution) throw new Error("aptWorkspace is for Debian and Ubuntu");
  const suite = chooseSuite(distribution);
  const debs = join(folder, "debs");
  const empty = join(folder, "empty");
  for (const name of ["lists/partial", "cache/archives/partial", "parts", "debs", "empty"]) {
    await mkdir(join(folder, name), { recursive: true });
  }
  const [own, architecture, keyring] = await Promise.all([
    runProgram("apt-get", indexTargets(empty, ["$(REPO_URI)", "$(RELEASE)", "$(SIGNED_BY)"])).then(parseSources),
    runProgram("dpkg", ["--print-architecture"]).then((printed) => printed.trim()),
    defaultKeyring(distribution.id),
    writeFile(join(folder, "status"), ""),
    writeFile(join(folder, "apt.conf"), aptConfig(folder)),
  ]);
  const sources = mapSources(own, distribution.codename, suite);
  if (sources.length === 0) {
    throw new Error(`apt is set to no source of ${distribution.codename}, so there is nowhere to fetch ${suite} from.`);
  }
  const env = { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  const run = (command: string, args: readonly string[], minutes: number, stop = signal): Promise<string> =>
    runProgram(command, ["-c", join(folder, "apt.conf"), "-qq", ...args], {
      cwd: debs,
      env,
      timeoutMs: minutes * MINUTES,
      signal: stop,
    });
  await writeFile(
    join(folder, "sources.list"),
    sourcesList(sources, { distribution: distribution.id, architecture, keyring }),
  );
  return {
    suite,
    async lists() {
      // We read the lists ourselves: making apt's own cache of them takes a second.
      const update = run("apt-get", ["-o", "pkgCacheFile::Generate=false", "update"], 5);
      const [updated] = await Promise.allSettled([update]);
      const targets = await run("apt-get", indexTargets(empty, ["$(FILENAME)", "$(REPO_URI)", "$(RELEASE)"]), 1);
      const lists = await readLists(join(folder, "lists"), targets);
      // A mirror may lack the updates of a suite that is not the host's own; the suite itself will do.
      if (lists.some((list) => list.suite === suite)) return indexPackages(lists);
      throw updated.status === "rejected" ? updated.reason : new Error(`apt has fetched no package lists of ${suite}.`);
    },
    async download(records, stop) {
      const files = records.map((record) => ({ record, file: join(debs, `${record.name}.deb`) }));
      const args = files.flatMap(({ record, file }) => {
        // apt-helper takes a missing hash for "need not be checked".
        if (!/^[0-9a-f]{64}$/.test(record.sha256)) throw new Error(`The lists give no hash of ${record.name}.`);
        return [record.uri, file, `SHA256:${record.sha256}`];
      });
      await run(APT_HELPER, ["download-file", ...args], 30, stop);
      return files;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/**
 * Arguments that have apt print what it is set to, a line for each list of packages, with tabs between
 * the fields. Pointed at an empty folder for its lists, it has nothing to take in first, which takes it a
 * second, and knows the names all the same.
 */
function indexTargets(empty: string, fields: readonly string[]): string[] {
  const options = ["-o", `Dir::State::lists=${empty}`, "--no-release-info"];
  return [...options, "indextargets", "--format", fields.join("\t"), "Created-By: Packages"];
}

/** Reads the lists that apt has fetched: it names more than there are, since not every archive has all of them. */
async function readLists(folder: string, targets: string): Promise<(PackageList & { readonly suite: string })[]> {
  const lists: (PackageList & { readonly suite: string })[] = [];
  for (const line of targets.split("\n")) {
    const [file, repository, suite] = line.split("\t");
    if (!file || !repository || !suite) continue;
    // All that we look for is ASCII, and this is by far the fastest way to read 60 MB.
    const text = await readText(join(folder, basename(file)), "latin1");
    if (text) lists.push({ text, repository, suite });
  }
  return lists;
}

/** The distribution's keys. Undefined where they are not at their usual place: apt's own trusted keys then count. */
async function defaultKeyring(id: Distribution["id"]): Promise<string | undefined> {
  for (const ending of ["gpg", "pgp"]) {
    const file = `/usr/share/keyrings/${id}-archive-keyring.${ending}`;
    if (await exists(file)) return file;
  }
  return undefined;
}

/**
 * Read after the machine's own settings, so that its proxies and transports stay. An empty status file
 * stands for a system with nothing installed.
 */
function aptConfig(folder: string): string {
  return [
    `Dir::State "${folder}";`,
    `Dir::State::lists "${folder}/lists";`,
    `Dir::State::status "${folder}/status";`,
    `Dir::Cache "${folder}/cache";`,
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    `Dir::Etc::sourceparts "${folder}/parts";`,
    `Dir::Etc::preferences "${folder}/none";`,
    `Dir::Etc::preferencesparts "${folder}/parts";`,
    `Acquire::Languages "none";`,
    // A list that could not be fetched is an error, not a warning.
    `APT::Update::Error-Mode "any";`,
    // Images for containers have the lists packed again after they were fetched.
    `Acquire::GzipIndexes "false";`,
    // A third larger than xz, and unpacked in a third of the time.
    "#clear Acquire::CompressionTypes::Order;",
    `Acquire::CompressionTypes::Order { "gz"; };`,
    // The user that apt would drop to as root cannot write here.
    `APT::Sandbox::User "";`,
    // Hooks that tidy up the system's own caches.
    "#clear APT::Update::Post-Invoke;",
    "#clear APT::Update::Post-Invoke-Success;",
    "#clear DPkg::Post-Invoke;",
    "",
  ].join("\n");
}
