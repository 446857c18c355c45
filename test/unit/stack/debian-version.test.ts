import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { compareDebianVersions } from "../../../runtime/stack/debian-version.ts";

const hasDpkg = spawnSync("/usr/bin/dpkg", ["--version"]).status === 0;

test("versions of packages - are ordered as their makers mean them, oldest first", () => {
  const ordered = [
    "0.9~~",
    "0.9~~a",
    "0.9~rc1",
    "0.9",
    "0.9-1~bpo12+1",
    "0.9-1",
    "0.9-1+b1",
    "0.9-1+deb13u1",
    "0.9-1.1",
    "0.10",
    "0.010+dfsg-1",
    "20240101123456789012",
    "20240101123456789013",
    "1:0.1",
  ];
  for (const [i, one] of ordered.entries()) {
    for (const [j, other] of ordered.entries()) {
      expect(Math.sign(compareDebianVersions(one, other)), `${one} against ${other}`).toBe(Math.sign(i - j));
    }
  }
});

test("versions of packages - are the same with zeros in front, or with no epoch and epoch 0", () => {
  expect(compareDebianVersions("1.02", "1.2")).toBe(0);
  expect(compareDebianVersions("0:1.2-0", "1.2")).toBe(0);
});

test.runIf(hasDpkg)("versions of packages - are ordered as dpkg orders them", () => {
  const part = fc.string({
    unit: fc.constantFrom("0", "0", "1", "9", "a", "z", "A", "Z", ".", "+", "~"),
    maxLength: 6,
  });
  const version = fc
    .record({
      epoch: fc.constantFrom("", "0:", "1:"),
      upstream: part,
      revision: fc.option(part.filter((s) => s !== "")),
    })
    .map(({ epoch, upstream, revision }) => `${epoch}1${upstream}${revision === null ? "" : `-${revision}`}`);
  const dpkg = (one: string, relation: string, other: string): boolean =>
    spawnSync("/usr/bin/dpkg", ["--compare-versions", one, relation, other]).status === 0;
  fc.assert(
    fc.property(version, version, (one, other) => {
      const ours = compareDebianVersions(one, other);
      expect(dpkg(one, ours < 0 ? "lt" : ours > 0 ? "gt" : "eq", other), `${one} ${String(ours)} ${other}`).toBe(true);
    }),
    { numRuns: 150 },
  );
});
