import { expect, test } from "vitest";
import { chooseSuite, mapSources, parseSources, sourcesList } from "../../../runtime/stack/apt-sources.ts";

const MIRROR = "http://mirror.test/debian/";
const SECURITY = "http://mirror.test/debian-security/";
const PRINTED = [
  `${MIRROR}\tbookworm\t$(SIGNED_BY)`,
  `${MIRROR}\tbookworm-updates\t/usr/share/keyrings/debian-archive-keyring.gpg`,
  `${SECURITY}\tbookworm-security\t$(SIGNED_BY)`,
  `http://other.test/node/\tnodistro\t$(SIGNED_BY)`,
  "",
].join("\n");

test("the suite - is the host's own where its servers are new enough, else the first that has them", () => {
  expect(chooseSuite({ id: "debian", codename: "bookworm" })).toBe("trixie");
  expect(chooseSuite({ id: "debian", codename: "trixie" })).toBe("trixie");
  expect(chooseSuite({ id: "debian", codename: "forky" })).toBe("forky");
  expect(chooseSuite({ id: "ubuntu", codename: "jammy" })).toBe("noble");
  expect(chooseSuite({ id: "ubuntu", codename: "noble" })).toBe("noble");
});

test("apt's sources - are read with their keyring where one is set", () => {
  const sources = parseSources(PRINTED);
  expect(sources).toHaveLength(4);
  expect(sources[0]).toEqual({ uri: MIRROR, suite: "bookworm", keyring: undefined });
  expect(sources[1]?.keyring).toBe("/usr/share/keyrings/debian-archive-keyring.gpg");
});

test("apt's sources - are asked for another suite at the same places, and others are left out", () => {
  const mapped = mapSources(parseSources(PRINTED), "bookworm", "trixie");
  expect(mapped.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
    `${MIRROR} trixie`,
    `${MIRROR} trixie-updates`,
    `${SECURITY} trixie-security`,
  ]);
});

test("apt's sources - set by role (stable, oldstable) count as the host's suite, once", () => {
  const own = parseSources(`${MIRROR}\tstable\t\n${MIRROR}\ttrixie\t\n${MIRROR}\tstable-security\t\n`);
  expect(mapSources(own, "trixie", "trixie").map(({ suite }) => suite)).toEqual(["trixie", "trixie-security"]);
});

test("apt's sources - are written with the keys to check them by, and for nothing but this machine's packages", () => {
  const sources = mapSources(parseSources(PRINTED), "bookworm", "trixie").slice(0, 2);
  const written = sourcesList(sources, { distribution: "ubuntu", architecture: "arm64", keyring: "/keys.gpg" });
  expect(written.split("\n")).toEqual([
    `deb [arch=arm64 target=Packages signed-by=/keys.gpg] ${MIRROR} trixie main universe`,
    `deb [arch=arm64 target=Packages signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${MIRROR} trixie-updates main universe`,
    "",
  ]);
});
