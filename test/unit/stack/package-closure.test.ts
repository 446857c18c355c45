import { expect, test } from "vitest";
import { packageClosure } from "../../../runtime/stack/package-closure.ts";
import type { PackageIndex } from "../../../runtime/stack/package-index.ts";

function archive(...records: readonly [name: string, ...needs: string[]][]): Pick<PackageIndex, "find"> {
  const byName = new Map(
    records.map(([name, ...needs]) => [name, { name, version: "1", sizeBytes: 1, needs, uri: "", sha256: "" }]),
  );
  return { find: (name) => byName.get(name) };
}

test("the closure - follows libraries through cycles, and nothing that servers do not load", () => {
  const index = archive(
    ["server", "libc6", "libssl3", "perl", "libllvm19", "libjson-perl", "libabsent"],
    ["libc6", "libgcc-s1"],
    ["libgcc-s1", "libc6"],
    ["libssl3", "zlib1g", "debconf"],
    ["zlib1g"],
    ["perl"],
    ["libllvm19"],
  );
  const names = packageClosure(["server"], index).map((record) => record.name);
  expect(names.sort()).toEqual(["libc6", "libgcc-s1", "libssl3", "server", "zlib1g"]);
});

test("the closure - names the packages that are not to be had", () => {
  expect(() => packageClosure(["server", "absent"], archive(["server"]))).toThrow(/absent/);
});
