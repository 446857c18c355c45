import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { newcomersFolder } from "../support/first-agent.ts";

test("a node that throws in a newcomer's own file - is logged with the line in which it threw", async () => {
  await using folder = await newcomersFolder();
  const file = join(folder.path, "signalbox.config.ts");
  const code = await readFile(file, "utf8");
  const broken = code.replace(/const \{ paidCents \} = await .*/, 'throw new Error("The till is closed.");');
  await writeFile(file, broken);
  const line = broken.split("\n").findIndex((text) => text.includes("The till is closed.")) + 1;
  const ran = await folder.command("npx", "signalbox", "run", "refunds", "--input", "small.json");
  expect(ran.code).toBe(3);
  expect(ran.stderr).toContain(`signalbox.config.ts:${String(line)}:`);
});
