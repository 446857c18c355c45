import { expect, test } from "vitest";
import { packageClosure, parsePackageRecords, type PackageRecord } from "../../../runtime/stack/package-closure.ts";

const STANZAS = `Package: postgresql-17
Version: 17.5-1
Depends: libc6 (>= 2.38), libssl3t64 (>= 3.0.0) | libssl3, postgresql-common (>= 252~), tzdata, libllvm19 (>= 1:19), zlib1g
Pre-Depends: libzstd1:any
Size: 1000
Description: object-relational SQL database
 Depends: not-this, it is in the description

Package: libc6
Version: 2.41
Size: 20
Depends: libgcc-s1
`;

test("package records - give name, size and the first choice of each dependency", () => {
  expect(parsePackageRecords(STANZAS)).toEqual([
    {
      name: "postgresql-17",
      version: "17.5-1",
      sizeBytes: 1000,
      needs: ["libzstd1", "libc6", "libssl3t64", "postgresql-common", "tzdata", "libllvm19", "zlib1g"],
    },
    { name: "libc6", version: "2.41", sizeBytes: 20, needs: ["libgcc-s1"] },
  ]);
  expect(parsePackageRecords("\n")).toEqual([]);
});

function archive(...records: readonly [name: string, ...needs: string[]][]) {
  const byName = new Map<string, PackageRecord>(
    records.map(([name, ...needs]) => [name, { name, version: "1", sizeBytes: 1, needs }]),
  );
  return (names: readonly string[]) =>
    Promise.resolve(names.map((name) => byName.get(name)).filter((found) => found !== undefined));
}

test("the closure - follows libraries through cycles, and nothing that servers do not load", async () => {
  const show = archive(
    ["server", "libc6", "libssl3", "perl", "libllvm19", "libjson-perl"],
    ["libc6", "libgcc-s1"],
    ["libgcc-s1", "libc6"],
    ["libssl3", "zlib1g", "debconf"],
    ["zlib1g"],
    ["perl"],
    ["libllvm19"],
  );
  const names = (await packageClosure(["server"], show)).map((record) => record.name);
  expect(names.sort()).toEqual(["libc6", "libgcc-s1", "libssl3", "server", "zlib1g"]);
});

test("the closure - names the packages that are not to be had", async () => {
  await expect(packageClosure(["server", "absent"], archive(["server"]))).rejects.toThrow(/absent/);
});
