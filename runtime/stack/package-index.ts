import { compareDebianVersions } from "./debian-version.ts";

/** One package as an archive's list describes it. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  readonly sizeBytes: number;
  /** The first choice of each dependency, without versions. */
  readonly needs: readonly string[];
  /** Where it is fetched from. */
  readonly uri: string;
  /** In hexadecimal digits. Empty if the list gives none. */
  readonly sha256: string;
}

/** A list of packages that apt has fetched and checked: the text of a `Packages` file. */
export interface PackageList {
  readonly text: string;
  /** What the file names in it are relative to. Ends with a slash. */
  readonly repository: string;
}

/** What an archive's lists hold, by name. */
export interface PackageIndex {
  /** Names that match. */
  names(pattern: RegExp): string[];
  /** The newest version of a package. */
  find(name: string): PackageRecord | undefined;
}

/** Each stanza begins with it, in the lists of Debian and Ubuntu alike. */
const BEGINNING = "Package: ";

interface Place {
  readonly list: PackageList;
  readonly start: number;
}

/**
 * Reads lists of packages. Only where each stanza begins is looked for: an archive has some 70,000, of
 * which few are ever asked for.
 */
export function indexPackages(lists: readonly PackageList[]): PackageIndex {
  const places = new Map<string, Place[]>();
  for (const list of lists) {
    const { text } = list;
    for (let start = text.startsWith(BEGINNING) ? 0 : next(text, 0); start >= 0; start = next(text, start)) {
      const name = text.slice(start + BEGINNING.length, endOf(text, "\n", start));
      const found = places.get(name);
      if (found) found.push({ list, start });
      else places.set(name, [{ list, start }]);
    }
  }
  return {
    names: (pattern) => [...places.keys()].filter((name) => pattern.test(name)),
    find: (name) =>
      (places.get(name) ?? [])
        .map(readRecord)
        .reduce<PackageRecord | undefined>(
          (newest, record) => (newest && compareDebianVersions(newest.version, record.version) >= 0 ? newest : record),
          undefined,
        ),
  };
}

/** Where the next stanza begins, or -1. */
function next(text: string, from: number): number {
  const found = text.indexOf(`\n${BEGINNING}`, from);
  return found < 0 ? -1 : found + 1;
}

function endOf(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from);
  return found < 0 ? text.length : found;
}

function readRecord({ list, start }: Place): PackageRecord {
  const fields = parseStanza(list.text.slice(start, endOf(list.text, "\n\n", start)));
  return {
    name: fields["Package"] ?? "",
    version: fields["Version"] ?? "",
    sizeBytes: Number(fields["Size"] ?? 0),
    needs: parseDependencies([fields["Pre-Depends"], fields["Depends"]].filter(Boolean).join(", ")),
    uri: list.repository + (fields["Filename"] ?? ""),
    sha256: fields["SHA256"] ?? "",
  };
}

function parseStanza(text: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const line of text.split("\n")) {
    // Continuation lines, which begin with a space, belong to fields that we do not read.
    const match = /^([A-Za-z0-9-]+): (.*)$/.exec(line);
    if (match) fields[match[1] ?? ""] = match[2] ?? "";
  }
  return fields;
}

/** "libc6 (>= 2.38), libssl3t64:any | libssl3" gives libc6 and libssl3t64. */
function parseDependencies(text: string): string[] {
  return text
    .split(",")
    .map((choice) => /^[a-z0-9][a-z0-9+.-]*/.exec(choice.trim())?.[0])
    .filter((name) => name !== undefined);
}
