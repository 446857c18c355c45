import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { BLOCKS, CHARTS, PAGE, pageOf, storedFigures } from "../bench/page/page.ts";

const page = await readFile(PAGE, "utf8");

test("performance - every figure of the page is what a command has measured", async () => {
  const stored = await storedFigures();
  expect(await pageOf(page, stored)).toBe(page);
  expect(page).not.toContain("Not measured yet");
});

test("performance - a figure that was changed by hand is noticed", async () => {
  const changed = page.replace(/(\d) ms \|/, "9$1 ms |");
  expect(changed).not.toBe(page);
  expect(await pageOf(changed, await storedFigures())).toBe(page);
});

test("performance - a page without one of the blocks is refused", async () => {
  const without = page.replace("<!-- /figures: rules -->", "");
  await expect(pageOf(without, await storedFigures())).rejects.toThrow("figures: rules");
});

test("performance - the page has the blocks that the commands write, and no other", () => {
  const found = [...page.matchAll(/<!-- figures: (\S+) -->/g)].map(([, name]) => name);
  expect(found.toSorted()).toEqual(Object.keys(BLOCKS).toSorted());
});

test("performance - the page shows every chart, with what it says in words", async () => {
  const shown = [...page.matchAll(/!\[(.+?)\]\(performance\/(\S+\.svg)\)/g)].map(([, , file]) => file);
  const drawn = (await readdir(CHARTS)).filter((file) => file.endsWith(".svg"));
  expect(shown.toSorted()).toEqual(drawn.toSorted());
});

test("performance - the commands that the page names are there", () => {
  const named = [...page.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(0);
  for (const name of named) expect(Object.keys(packageJson.scripts)).toContain(name);
});
