import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

/**
 * `docs/errors.md` and the source are compared both ways. To add an error: a subclass of SignalboxError
 * with its own `static override readonly code`, and an entry in `docs/errors.md`, in the alphabet's order:
 *
 *     ## `SOME_CODE`
 *
 *     What happened, and when it does.
 *
 *     **What to do:** the next step.
 */
const root = fileURLToPath(new URL("../../", import.meta.url));

interface DeclaredError {
  readonly name: string;
  readonly file: string;
  readonly code: string | undefined;
}

/** Every class that extends SignalboxError or one of its subclasses (and not plain `Error`). */
async function declaredErrors(): Promise<DeclaredError[]> {
  const found: DeclaredError[] = [];
  for (const folder of ["agents", "tools", "memory", "runtime", "console/server"]) {
    for (const entry of await readdir(path.join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
      const file = path.join(entry.parentPath, entry.name);
      const text = await readFile(file, "utf8");
      for (const declaration of text.split(/^(?=(?:export )?(?:abstract )?class )/m)) {
        const name = /^(?:export )?class (\w+) extends (\w+Error)\b/.exec(declaration)?.[1];
        if (name === undefined) continue;
        const code = /^ {2}static override readonly code(?:: string)? = "(\w+)"/m.exec(declaration)?.[1];
        found.push({ name, file: path.relative(root, file), code });
      }
    }
  }
  return found;
}

async function entries(): Promise<{ code: string; body: string }[]> {
  const page = await readFile(path.join(root, "docs/errors.md"), "utf8");
  return page
    .split(/^## /m)
    .slice(1)
    .map((section) => ({ code: /^`(\w+)`\n/.exec(section)?.[1] ?? section, body: section }));
}

test("errors - every error class has a code of its own in capitals", async () => {
  const errors = await declaredErrors();
  expect(errors.length).toBeGreaterThan(10);
  expect(errors.filter(({ code }) => code === undefined || !/^[A-Z]+(_[A-Z]+)*$/.test(code))).toEqual([]);
  const codes = errors.map(({ code }) => code);
  expect(codes.filter((code, i) => codes.indexOf(code) !== i)).toEqual([]);
});

test("errors - every code in the source is explained in docs/errors.md", async () => {
  const documented = new Set((await entries()).map(({ code }) => code));
  expect((await declaredErrors()).filter(({ code }) => code !== undefined && !documented.has(code))).toEqual([]);
});

test("errors - every code in docs/errors.md exists in the source", async () => {
  const codes = new Set((await declaredErrors()).map(({ code }) => code));
  expect((await entries()).map(({ code }) => code).filter((code) => !codes.has(code))).toEqual([]);
});

test("errors - the page is in the alphabet's order, and each entry says what to do", async () => {
  const page = await entries();
  const codes = page.map(({ code }) => code);
  expect(codes).toEqual([...codes].sort());
  expect(page.filter(({ body }) => !body.includes("**What to do:** ")).map(({ code }) => code)).toEqual([]);
});
