import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newcomersFolder, readmeFiles, type NewcomersFolder } from "../support/first-agent.ts";

let folder: NewcomersFolder;

beforeAll(async () => {
  folder = await newcomersFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

describe("your first agent, from the package in an empty folder", () => {
  test("the README's code - is about 40 lines and compiles against the published types", async () => {
    const code = (await readmeFiles()).get("signalbox.config.ts") ?? "";
    expect(code.split("\n").filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(50);
    const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
    const checked = await folder.command(
      process.execPath,
      tsc,
      "--noEmit",
      "--strict",
      "--module",
      "nodenext",
      "--target",
      "es2022",
      "--skipLibCheck",
      "signalbox.config.ts",
    );
    expect(checked).toMatchObject({ code: 0, stdout: "" });
  });

  test("the README's commands - check the rules and run the small refund to its end", async () => {
    expect(await folder.command("npx", "signalbox", "rules", "check")).toMatchObject({ code: 0 });
    const ran = await folder.command("npx", "signalbox", "run", "refunds", "--input", "small.json", "--watch");
    expect(ran.stdout).toContain("payments.refund");
    expect(ran.stdout).toContain("finished with");
    expect(ran.code).toBe(0);
    // npm itself may warn about this machine's settings.
    expect(ran.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("npm warn"))).toEqual([]);
  });

  test("the large refund - waits for a person of finance", async () => {
    await writeFile(join(folder.path, "large.json"), JSON.stringify({ orderId: "A-2", amountCents: 120_000 }));
    const ran = await folder.command("npx", "signalbox", "--json", "run", "refunds", "--input", "large.json");
    expect(ran).toMatchObject({ code: 0 });
    expect(JSON.parse(ran.stdout)).toMatchObject({
      status: "parked",
      waits: [expect.objectContaining({ kind: "approval" })],
    });
  });

  test("a typo in a rule - is named with file and line, and nothing runs", async () => {
    const rules = (await readmeFiles()).get("rules.cedar") ?? "";
    await writeFile(join(folder.path, "rules.cedar"), rules.replace("amountCents > 50000", "amonutCents > 50000"));
    const checked = await folder.command("npx", "signalbox", "rules", "check");
    expect(checked.code).toBe(3);
    expect(checked.stdout).toMatch(/rules\.cedar:11:\d+ .*amountCents/);
    const ran = await folder.command("npx", "signalbox", "run", "refunds", "--input", "small.json");
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("[RULES_INVALID]");
    await writeFile(join(folder.path, "rules.cedar"), rules);
  });
});
