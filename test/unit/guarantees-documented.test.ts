import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { CASES } from "../faults/cases/index.ts";

/**
 * `docs/guarantees.md` names, for each promise, the fault cases and vitest tests that prove it: each between backticks
 * in the last column of a table that is headed "proven by".
 */
const root = fileURLToPath(new URL("../../", import.meta.url));

function provers(page: string): string[] {
  const names: string[] = [];
  let inTable = false;
  for (const line of page.split("\n")) {
    if (!line.startsWith("|")) {
      inTable = false;
      continue;
    }
    const last = line.split("|").at(-2) ?? "";
    if (last.trim() === "proven by") inTable = true;
    else if (inTable && !/^ ?-+ ?$/.test(last)) {
      const found = [...last.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "");
      // A promise that nothing proves is none.
      names.push(...(found.length > 0 ? found : [`nothing: ${line}`]));
    }
  }
  return names;
}

/** The titles of all vitest tests, as their sources have them. */
async function titles(): Promise<Set<string>> {
  const found = new Set<string>();
  for (const entry of await readdir(path.join(root, "test"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".test.ts")) continue;
    const text = await readFile(path.join(entry.parentPath, entry.name), "utf8");
    for (const [, title] of text.matchAll(/\btest(?:\.each\([^)]*\)[^(]*)?\(\s*"((?:[^"\\]|\\.)+)"/g)) {
      found.add(title ?? "");
    }
  }
  return found;
}

test("the guarantees - name only tests and fault cases that exist, and every fault case", async () => {
  const named = provers(await readFile(path.join(root, "docs/guarantees.md"), "utf8"));
  const cases = CASES.map(({ name }) => name);
  const known = new Set([...cases, ...(await titles())]);
  expect(named.length).toBeGreaterThan(cases.length);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
  expect(cases.filter((name) => !named.includes(name))).toEqual([]);
});
