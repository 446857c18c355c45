import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";

/**
 * Every rule of `.dependency-cruiser.cjs` is broken once, in a small tree of made-up files, and every
 * direction that is meant to be open is taken once.
 */
const root = fileURLToPath(new URL("../../", import.meta.url));
const config = path.join(root, ".dependency-cruiser.cjs");

const PACKAGES = ["zod", "pg", "nats", "@cedar-policy/cedar-wasm", "@langchain/langgraph", "react"];

/** One import: the file that holds it, what it names, and the rule that must object (or null for none). */
interface Case {
  readonly from: string;
  readonly imports: string;
  readonly rule: string | null;
  readonly typeOnly?: boolean;
}

const forbidden: readonly Case[] = [
  { rule: "no-unresolved", from: "runtime/engine/lost.ts", imports: "./nowhere.ts" },
  { rule: "core-is-pure", from: "runtime/core/reads-files.ts", imports: "node:fs" },
  { rule: "core-is-pure", from: "runtime/core/upwards.ts", imports: "../engine/target.ts" },
  { rule: "core-is-pure", from: "runtime/core/library.ts", imports: "react" },
  { rule: "parts-meet-in-core", from: "runtime/engine/past-the-port.ts", imports: "../journal/target.ts" },
  { rule: "parts-meet-in-core", from: "memory/past-the-port.ts", imports: "../runtime/journal/target.ts" },
  { rule: "parts-meet-in-core", from: "tools/past-the-port.ts", imports: "../memory/target.ts" },
  { rule: "parts-meet-in-core", from: "console/server/past-the-port.ts", imports: "../../runtime/approvals/target.ts" },
  { rule: "parts-meet-in-core", from: "runtime/engine/configures.ts", imports: "../config.ts" },
  { rule: "declarations-are-for-types", from: "runtime/engine/declares.ts", imports: "../../agents/define-agent.ts" },
  { rule: "composition-is-the-top", from: "runtime/engine/assembles.ts", imports: "../platform/target.ts" },
  { rule: "surface-is-thin", from: "runtime/surface.ts", imports: "./engine/target.ts" },
  { rule: "composition-is-the-top", from: "runtime/surfaces.ts", imports: "./platform/target.ts" },
  { rule: "embedded-loads-late", from: "runtime/embedded.ts", imports: "./platform/target.ts" },
  { rule: "declarations-are-thin", from: "agents/heavy.ts", imports: "../runtime/engine/target.ts" },
  { rule: "declarations-load-no-langchain", from: "agents/loads.ts", imports: "@langchain/langgraph" },
  { rule: "teams-are-users", from: "agents/claims/reaches-in.ts", imports: "../../runtime/core/target.ts" },
  { rule: "teams-are-users", from: "agents/claims/neighbour.ts", imports: "../support/target.ts" },
  { rule: "teams-are-users", from: "agents/claims/library.ts", imports: "react" },
  { rule: "teams-say-signalbox", from: "agents/claims/by-path.ts", imports: "../../runtime/index.ts" },
  { rule: "web-is-a-browser", from: "console/web/server-code.tsx", imports: "../server/target.ts" },
  { rule: "web-is-a-browser", from: "console/web/not-for-browsers.ts", imports: "../../runtime/core/target.ts" },
  { rule: "browser-safe-stays-safe", from: "runtime/core/verdict.ts", imports: "./target.ts" },
  { rule: "web-has-no-node", from: "console/web/reads-files.ts", imports: "node:fs" },
  { rule: "pages-are-not-imported", from: "console/server/renders.ts", imports: "../web/target.ts" },
  { rule: "no-tests-in-the-product", from: "runtime/engine/tested.ts", imports: "../../test/support/target.ts" },
  { rule: "postgres-in-one-folder", from: "memory/own-pool.ts", imports: "pg" },
  { rule: "nats-in-one-folder", from: "runtime/engine/publishes.ts", imports: "nats" },
  { rule: "cedar-in-one-folder", from: "runtime/approvals/judges.ts", imports: "@cedar-policy/cedar-wasm/nodejs" },
  { rule: "langchain-in-its-folders", from: "memory/embeds.ts", imports: "@langchain/langgraph" },
];

const allowed: readonly Case[] = [
  { rule: null, from: "runtime/core/hashes.ts", imports: "node:crypto" },
  { rule: null, from: "runtime/core/events.ts", imports: "zod" },
  { rule: null, from: "runtime/engine/port.ts", imports: "../core/target.ts" },
  { rule: null, from: "runtime/engine/typed.ts", imports: "../../agents/define-agent.ts", typeOnly: true },
  { rule: null, from: "runtime/engine/schedules.ts", imports: "@langchain/langgraph" },
  { rule: null, from: "runtime/journal/pool.ts", imports: "pg" },
  { rule: null, from: "runtime/bus/connection.ts", imports: "nats" },
  { rule: null, from: "runtime/rules/cedar.ts", imports: "@cedar-policy/cedar-wasm/nodejs" },
  { rule: null, from: "runtime/platform/assembles.ts", imports: "../engine/target.ts" },
  { rule: null, from: "runtime/cli/starts.ts", imports: "../platform/target.ts" },
  { rule: null, from: "runtime/public.ts", imports: "./engine/errors.ts" },
  { rule: null, from: "agents/claims/graph.ts", imports: "signalbox" },
  { rule: null, from: "agents/claims/state.ts", imports: "@langchain/langgraph" },
  { rule: null, from: "agents/claims/files.ts", imports: "node:fs" },
  { rule: null, from: "console/web/page.tsx", imports: "../../runtime/core/verdict.ts" },
];

const configSchema = z.object({ forbidden: z.array(z.object({ name: z.string() })) });
const reportSchema = z.object({
  summary: z.object({
    violations: z.array(
      z.object({ from: z.string(), to: z.string(), rule: z.object({ name: z.string(), severity: z.string() }) }),
    ),
  }),
});

let found: z.infer<typeof reportSchema>["summary"]["violations"] = [];
let folder = "";

beforeAll(async () => {
  // The cruiser compares real paths; a temporary folder may be reached through a link.
  folder = await realpath(await mkdtemp(path.join(tmpdir(), "signalbox-imports-")));
  await plantTree();
  found = await cruise();
}, 60_000);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test.each(forbidden)("import directions - $from may not import $imports ($rule)", ({ from, rule }) => {
  expect(found.filter((violation) => violation.from === from).map((violation) => violation.rule)).toContainEqual({
    name: rule,
    severity: "error",
  });
});

test("import directions - two files may not import each other", () => {
  expect(found.filter((violation) => violation.rule.name === "no-cycles").map(({ from }) => from)).toContain(
    "tools/chicken.ts",
  );
});

test.each(allowed)("import directions - $from may import $imports", ({ from }) => {
  expect(found.filter((violation) => violation.from === from)).toEqual([]);
});

test("import directions - types may refer to each other across files", () => {
  expect(found.filter(({ from }) => from.startsWith("tools/type-"))).toEqual([]);
});

test("import directions - every rule is shown to fail", () => {
  const { forbidden: rules } = configSchema.parse(createRequire(import.meta.url)(config));
  const shown = new Set(["no-cycles", ...forbidden.map(({ rule }) => rule)]);
  expect(rules.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
});

async function plantTree(): Promise<void> {
  await plant("tsconfig.json", await readFile(path.join(root, "tsconfig.json"), "utf8"));
  // The real manifest, so that "signalbox" refers to the package itself the way that it does here.
  await plant("package.json", await readFile(path.join(root, "package.json"), "utf8"));
  for (const name of PACKAGES) {
    const exports = { ".": "./index.js", "./nodejs": "./index.js" };
    await plant(
      `node_modules/${name}/package.json`,
      JSON.stringify({ name, version: "1.0.0", main: "index.js", exports }),
    );
    await plant(`node_modules/${name}/index.js`, "export default 1;\n");
  }
  const targets = [
    "runtime/index.ts",
    "runtime/config.ts",
    "runtime/engine/errors.ts",
    "agents/define-agent.ts",
    "agents/support/target.ts",
    "console/server/target.ts",
    "console/web/target.ts",
    "memory/target.ts",
    "test/support/target.ts",
    ...["approvals", "core", "engine", "journal", "platform"].map((part) => `runtime/${part}/target.ts`),
  ];
  for (const target of targets) await plant(target, "export const target = 1;\nexport type Target = typeof target;\n");
  for (const { from, imports, typeOnly } of [...forbidden, ...allowed]) {
    await plant(
      from,
      `${typeOnly === true ? "import type" : "import"} * as imported from "${imports}";\nexport { imported };\n`,
    );
  }
  await plant("tools/chicken.ts", 'import { egg } from "./egg.ts";\nexport const chicken = egg;\n');
  await plant("tools/egg.ts", 'import { chicken } from "./chicken.ts";\nexport const egg = chicken;\n');
  await plant("tools/type-a.ts", 'import type { B } from "./type-b.ts";\nexport type A = B | 1;\n');
  await plant("tools/type-b.ts", 'import type { A } from "./type-a.ts";\nexport type B = A | 2;\n');
}

async function plant(file: string, text: string): Promise<void> {
  const target = path.join(folder, file);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, text);
}

async function cruise(): Promise<typeof found> {
  const command = path.join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = [
    command,
    "--config",
    config,
    "--output-type",
    "json",
    "agents",
    "tools",
    "memory",
    "runtime",
    "console",
  ];
  // It exits with the number of violations, so a failure of the command shows as output that is not JSON.
  const output = await promisify(execFile)(process.execPath, args, { cwd: folder, maxBuffer: 32 * 1024 * 1024 }).then(
    ({ stdout }) => stdout,
    (error: unknown) => z.object({ stdout: z.string() }).parse(error).stdout,
  );
  return reportSchema.parse(JSON.parse(output)).summary.violations;
}
