/** One package as `apt-cache show` describes it. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  readonly sizeBytes: number;
  /** The first choice of each dependency, without versions. */
  readonly needs: readonly string[];
}

/** The libraries that servers load; not what packages need to be installed (perl, adduser, debconf …). */
const LIBRARY = /^(lib|zlib1g)/;
/** Needed only by procedural languages and by just-in-time compilation, which we turn off: 40 MB. */
const NOT_NEEDED = /^lib(llvm|clang|z3|perl|python|tcl)|-perl$/;

/**
 * The packages to unpack so that the given ones run from their own tree: themselves and, transitively,
 * the shared libraries that they need, down to the C library.
 *
 * @param show gives the records of packages; names that it does not know are left out.
 */
export async function packageClosure(
  roots: readonly string[],
  show: (names: readonly string[]) => Promise<readonly PackageRecord[]>,
): Promise<PackageRecord[]> {
  const found = new Map<string, PackageRecord>();
  const asked = new Set<string>();
  let names = [...roots];
  while (names.length > 0) {
    for (const name of names) asked.add(name);
    const records = await show(names);
    for (const record of records) found.set(record.name, record);
    const needed = records.flatMap((record) => record.needs).filter((name) => LIBRARY.test(name));
    names = [...new Set(needed)].filter((name) => !NOT_NEEDED.test(name) && !asked.has(name));
  }
  const missing = roots.filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`These packages are not to be had: ${missing.join(", ")}.`);
  return [...found.values()];
}

/** Reads the stanzas that `apt-cache show` prints. */
export function parsePackageRecords(text: string): PackageRecord[] {
  return text
    .split(/\n\n+/)
    .map(parseStanza)
    .filter((fields) => fields["Package"] !== undefined)
    .map((fields) => ({
      name: fields["Package"] ?? "",
      version: fields["Version"] ?? "",
      sizeBytes: Number(fields["Size"] ?? 0),
      needs: parseDependencies([fields["Pre-Depends"], fields["Depends"]].filter(Boolean).join(", ")),
    }));
}

function parseStanza(text: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const line of text.split("\n")) {
    // Continuation lines, which begin with a space, belong to fields that we do not read.
    const match = /^([A-Za-z-]+): (.*)$/.exec(line);
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
