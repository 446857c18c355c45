import type { Host } from "./host.ts";

export type Distribution = NonNullable<Host["distribution"]>;

/** Suites whose own servers are too old, and the first one of the same distribution that is new enough. */
const TOO_OLD: Readonly<Record<Distribution["id"], { suites: readonly string[]; instead: string }>> = {
  debian: { suites: ["stretch", "buster", "bullseye", "bookworm"], instead: "trixie" },
  ubuntu: { suites: ["xenial", "bionic", "focal", "jammy"], instead: "noble" },
};

/** Where the servers and what they need are. */
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

/** Reads what `apt-get indextargets` prints of URI, suite and keyring. Fields that are not set stay as `$(NAME)`. */
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

/** For this machine's architecture and nothing but packages: other programs have apt fetch lists of their own. */
export function sourcesList(
  sources: readonly AptSource[],
  by: {
    readonly distribution: Distribution["id"];
    readonly architecture: string;
    readonly keyring: string | undefined;
  },
): string {
  return sources
    .map(({ uri, suite, keyring = by.keyring }) => {
      const signedBy = keyring === undefined ? "" : ` signed-by=${keyring}`;
      return `deb [arch=${by.architecture} target=Packages${signedBy}] ${uri} ${suite} ${COMPONENTS[by.distribution]}\n`;
    })
    .join("");
}
