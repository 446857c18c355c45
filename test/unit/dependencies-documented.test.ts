import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { z } from "zod";

const root = new URL("../../", import.meta.url);
const names = z.record(z.string(), z.string());
const manifestSchema = z.object({ dependencies: names, peerDependencies: names, devDependencies: names });
const installedSchema = z.object({ license: z.string() });

async function read(file: string): Promise<string> {
  return readFile(new URL(file, root), "utf8");
}

async function manifest(): Promise<string[]> {
  const { dependencies, peerDependencies, devDependencies } = manifestSchema.parse(
    JSON.parse(await read("package.json")),
  );
  return Object.keys({ ...dependencies, ...peerDependencies, ...devDependencies }).sort();
}

/** The packages that the tables of CONTRIBUTING.md name, with the licence that they give. */
async function documented(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const [, section] = (await read("CONTRIBUTING.md")).split(/^## Dependencies$/m);
  for (const row of section?.match(/^\| `.*$/gm) ?? []) {
    const [packages = "", , licence = ""] = row.split("|").slice(1);
    for (const [, name = ""] of packages.matchAll(/`([^`]+)`/g)) found.set(name, licence.trim());
  }
  return found;
}

test("dependencies - CONTRIBUTING.md explains each of them, and no other", async () => {
  expect([...(await documented()).keys()].sort()).toEqual(await manifest());
});

test("dependencies - the licences are the ones that the packages declare", async () => {
  const wrong: string[] = [];
  for (const [name, licence] of await documented()) {
    const { license } = installedSchema.parse(JSON.parse(await read(`node_modules/${name}/package.json`)));
    if (license !== licence) wrong.push(`${name}: ${license}, not ${licence}`);
  }
  expect(wrong).toEqual([]);
});
