import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exists } from "./data-folder.ts";
import type { Host } from "./host.ts";
import { parsePackageRecords, type PackageRecord } from "./package-closure.ts";
import { runProgram } from "./run-program.ts";

type Distribution = NonNullable<Host["distribution"]>;

/** Suites whose own servers are too old, and the first one of the same distribution that is new enough. */
const TOO_OLD: Readonly<Record<Distribution["id"], { suites: readonly string[]; instead: string }>> = {
  debian: { suites: ["stretch", "buster", "bullseye", "bookworm"], instead: "trixie" },
  ubuntu: { suites: ["xenial", "bionic", "focal", "jammy"], instead: "noble" },
};

const COMPONENTS: Readonly<Record<Distribution["id"], string>> = { debian: "main", ubuntu: "main universe" };

/** The suite to take packages from: the host's own, unless its servers are too old. */
export function chooseSuite({ id, codename }: Distribution): string {
  return TOO_OLD[id].suites.includes(codename) ? TOO_OLD[id].instead : codename;
}

/** Where this machine's apt gets a suite from, as its own settings say. */
export interface AptSource {
  readonly uri: string;
  /** For example `trixie` or `trixie-security`. */
  readonly suite: string;
  readonly keyring: string | undefined;
}

/** An apt with lists and settings of its own, which leaves the system's untouched. */
export interface Apt extends AsyncDisposable {
  readonly suite: string;
  update(): Promise<void>;
  /** Names of packages that match a regular expression. */
  search(pattern: string): Promise<string[]>;
  show(names: readonly string[]): Promise<PackageRecord[]>;
  /** Fetches packages, checked against the signed lists; gives the files' paths. */
  download(names: readonly string[]): Promise<string[]>;
}

const MINUTES = 60_000;

/** Makes a private apt workspace in a folder of its own; disposing of it removes the folder. */
export async function aptWorkspace(folder: string, host: Host): Promise<Apt> {
  const { distribution } = host;
  if (!distribution) throw new Error("aptWorkspace is for Debian and Ubuntu");
  const suite = chooseSuite(distribution);
  const sources = mapSources(await ownSources(), distribution.codename, suite);
  if (sources.length === 0) {
    throw new Error(`apt is set to no source of ${distribution.codename}, so there is nowhere to fetch ${suite} from.`);
  }
  const keyring = await defaultKeyring(distribution.id);
  const debs = join(folder, "debs");
  for (const name of ["lists/partial", "cache/archives/partial", "parts", "debs"]) {
    await mkdir(join(folder, name), { recursive: true });
  }
  await writeFile(join(folder, "status"), "");
  await writeFile(join(folder, "apt.conf"), aptConfig(folder));
  const env = { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  const run = (command: string, args: readonly string[], minutes: number): Promise<string> =>
    runProgram(command, ["-c", join(folder, "apt.conf"), "-qq", ...args], {
      cwd: debs,
      env,
      timeoutMs: minutes * MINUTES,
    });
  const setSources = (list: readonly AptSource[]): Promise<void> =>
    writeFile(join(folder, "sources.list"), sourcesList(list, COMPONENTS[distribution.id], keyring));
  return {
    suite,
    async update() {
      try {
        await setSources(sources);
        await run("apt-get", ["update"], 5);
      } catch (error) {
        // A mirror may lack the updates of a suite that is not the host's own; the suite itself will do.
        const only = sources.filter((source) => source.suite === suite);
        if (only.length === 0 || only.length === sources.length) throw error;
        await setSources(only);
        await run("apt-get", ["update"], 5);
      }
    },
    async search(pattern) {
      const found = await run("apt-cache", ["search", "--names-only", pattern], 1);
      return found
        .split("\n")
        .flatMap((line) => line.split(" ")[0] ?? [])
        .filter((name) => name !== "");
    },
    async show(names) {
      return parsePackageRecords(await run("apt-cache", ["show", "--no-all-versions", ...names], 1));
    },
    async download(names) {
      await run("apt-get", ["download", ...names], 30);
      return (await readdir(debs)).filter((file) => file.endsWith(".deb")).map((file) => join(debs, file));
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Asks apt which sources this machine is set to. Their lists need not have been fetched. */
async function ownSources(): Promise<AptSource[]> {
  const format = ["$(REPO_URI)", "$(RELEASE)", "$(SIGNED_BY)"].join("\t");
  const printed = await runProgram("apt-get", ["indextargets", "--format", format, "Created-By: Packages"]);
  return parseSources(printed);
}

/** The pure part: what `apt-get indextargets` prints, a line a source. Fields that are not set stay as `$(NAME)`. */
export function parseSources(printed: string): AptSource[] {
  return printed
    .split("\n")
    .map((line) => line.split("\t"))
    .flatMap(([uri, suite, signedBy]) =>
      uri && suite ? [{ uri, suite, keyring: signedBy?.startsWith("/") ? signedBy : undefined }] : [],
    );
}

/**
 * The same places, for another suite: where the host gets `bookworm` and `bookworm-security`, there is
 * `trixie` and `trixie-security`.
 */
export function mapSources(own: readonly AptSource[], codename: string, suite: string): AptSource[] {
  const suffixes = ["", "-updates", "-security"];
  // Some set their sources to the suite's role, which moves on with each release.
  const names = [codename, "stable", "oldstable", "testing"];
  const mapped = own.flatMap((source) => {
    for (const name of names) {
      const suffix = suffixes.find((end) => source.suite === name + end);
      if (suffix !== undefined) return [{ ...source, suite: suite + suffix }];
    }
    return [];
  });
  return mapped.filter(
    (source, i) => mapped.findIndex((other) => other.uri === source.uri && other.suite === source.suite) === i,
  );
}

function sourcesList(sources: readonly AptSource[], components: string, keyring: string | undefined): string {
  return sources
    .map(({ uri, suite, keyring: own }) => {
      const signedBy = own ?? keyring;
      return `deb ${signedBy === undefined ? "" : `[signed-by=${signedBy}] `}${uri} ${suite} ${components}\n`;
    })
    .join("");
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
    // Images for containers turn these off, and apt then reads all lists anew for each question.
    `Dir::Cache::pkgcache "pkgcache.bin";`,
    `Dir::Cache::srcpkgcache "srcpkgcache.bin";`,
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    `Dir::Etc::sourceparts "${folder}/parts";`,
    `Dir::Etc::preferences "${folder}/none";`,
    `Dir::Etc::preferencesparts "${folder}/parts";`,
    `Acquire::Languages "none";`,
    // The user that apt would drop to as root cannot write here.
    `APT::Sandbox::User "";`,
    // Hooks that tidy up the system's own caches.
    "#clear APT::Update::Post-Invoke;",
    "#clear APT::Update::Post-Invoke-Success;",
    "#clear DPkg::Post-Invoke;",
    "",
  ].join("\n");
}
