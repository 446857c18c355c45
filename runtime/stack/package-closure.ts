import type { PackageIndex, PackageRecord } from "./package-index.ts";

/** The libraries that servers load; not what packages need to be installed (perl, adduser, debconf …). */
const LIBRARY = /^(lib|zlib1g)/;
/** Needed only by procedural languages and by just-in-time compilation, which we turn off: 40 MB. */
const NOT_NEEDED = /^lib(llvm|clang|z3|perl|python|tcl)|-perl$/;

/**
 * The packages to unpack so that the given ones run from their own tree: themselves and, transitively,
 * the shared libraries that they need, down to the C library. Libraries that no list has are left out.
 *
 * @throws if one of the given ones is not to be had.
 */
export function packageClosure(roots: readonly string[], index: Pick<PackageIndex, "find">): PackageRecord[] {
  const found = new Map<string, PackageRecord>();
  const names = new Set(roots);
  // A set hands out what is added to it while it is gone through.
  for (const name of names) {
    const record = index.find(name);
    if (!record) continue;
    found.set(name, record);
    for (const need of record.needs) if (LIBRARY.test(need) && !NOT_NEEDED.test(need)) names.add(need);
  }
  const missing = roots.filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`These packages are not to be had: ${missing.join(", ")}.`);
  return [...found.values()];
}
