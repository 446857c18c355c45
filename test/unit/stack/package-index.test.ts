import { expect, test } from "vitest";
import { indexPackages } from "../../../runtime/stack/package-index.ts";

const MAIN = {
  repository: "http://mirror.test/debian/",
  text: `Package: postgresql-17
Version: 17.5-1
Depends: libc6 (>= 2.38), libssl3t64 (>= 3.0.0) | libssl3, postgresql-common (>= 252~), tzdata, libllvm19 (>= 1:19), zlib1g
Pre-Depends: libzstd1:any
Filename: pool/main/p/postgresql-17/postgresql-17_17.5-1_amd64.deb
Size: 1000
SHA256: 0a
Description: object-relational SQL database
 Depends: not-this, it is in the description
 Package: nor-this

Package: libc6
Version: 2.41-9
Size: 20
Depends: libgcc-s1
Filename: pool/main/g/glibc/libc6_2.41-9_amd64.deb
SHA256: 0b
`,
};
const SECURITY = {
  repository: "http://mirror.test/debian-security/",
  text: "Package: libc6\nVersion: 2.41-12\nSize: 21\nFilename: pool/updates/libc6.deb\nSHA256: 0c\n",
};

test("a package - is found with its size, its hash, where it is, and the first choice of each dependency", () => {
  expect(indexPackages([MAIN]).find("postgresql-17")).toEqual({
    name: "postgresql-17",
    version: "17.5-1",
    sizeBytes: 1000,
    needs: ["libzstd1", "libc6", "libssl3t64", "postgresql-common", "tzdata", "libllvm19", "zlib1g"],
    uri: "http://mirror.test/debian/pool/main/p/postgresql-17/postgresql-17_17.5-1_amd64.deb",
    sha256: "0a",
  });
});

test("a package - is the newest of those in all lists, whichever comes first", () => {
  const newest = { version: "2.41-12", sha256: "0c", uri: "http://mirror.test/debian-security/pool/updates/libc6.deb" };
  expect(indexPackages([MAIN, SECURITY]).find("libc6")).toMatchObject(newest);
  expect(indexPackages([SECURITY, MAIN]).find("libc6")).toMatchObject(newest);
  expect(indexPackages([MAIN]).find("libc6")?.version).toBe("2.41-9");
});

test("names - are those of packages, not of words in their descriptions", () => {
  const index = indexPackages([MAIN, SECURITY]);
  expect(index.names(/./)).toEqual(["postgresql-17", "libc6"]);
  expect(index.names(/^postgresql-[0-9]+$/)).toEqual(["postgresql-17"]);
  expect(index.find("nor-this")).toBeUndefined();
  expect(index.find("__proto__")).toBeUndefined();
});

test("empty lists - hold nothing", () => {
  expect(indexPackages([]).names(/./)).toEqual([]);
  expect(indexPackages([{ repository: "http://mirror.test/", text: "\n" }]).names(/./)).toEqual([]);
});
