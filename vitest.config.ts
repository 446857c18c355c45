import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Node's own conditions first, then the one under which "signalbox" is this repository's source.
const conditions = ["signalbox-source", "module", "node", "development|production"];

/** What every project needs to import "signalbox" as its source. */
const source = {
  // Vite does not resolve a package's reference to itself.
  resolve: { conditions, alias: { signalbox: fileURLToPath(new URL("runtime/index.ts", import.meta.url)) } },
  ssr: { resolve: { conditions } },
};

/** Child processes, not threads: V8's flags belong to a process. */
const workers = {
  pool: "forks" as const,
  // Without the first, Node 20 aborts in code that V8 has optimised around Cedar's wasm.
  execArgv: ["--no-turbo-inline-js-wasm-calls", "--conditions=signalbox-source"],
};

/** For tests that leave nothing behind in their process: files share what they import, which takes half of their time. */
const shared = { ...workers, isolate: false };

/** Tests against the real Postgres and NATS: one private stack for the whole run. */
const servers = ["test/support/global-setup.ts"];

const projects = [
  { ...source, test: { ...shared, name: "unit", include: ["test/unit/**/*.test.ts"] } },
  {
    ...source,
    test: {
      ...shared,
      name: "contract",
      include: ["test/contract/**/*.test.ts"],
      globalSetup: servers,
      testTimeout: 30_000,
      hookTimeout: 60_000,
    },
  },
  {
    ...source,
    test: {
      ...workers,
      name: "e2e",
      include: ["test/e2e/**/*.test.ts"],
      globalSetup: ["test/support/build.ts", ...servers],
      testTimeout: 120_000,
      hookTimeout: 120_000,
    },
  },
  {
    ...source,
    // Servers of its own, which it kills.
    test: {
      ...workers,
      name: "faults",
      include: ["test/faults/**/*.test.ts"],
      testTimeout: 60_000,
      hookTimeout: 60_000,
    },
  },
];

// Type tests (`*.test-d.ts`) are checked by `tsc`, with everything else.
// On two cores Vitest would take one worker; most of what these tests do is wait for servers and processes.
export default defineConfig({ test: { projects, maxWorkers: Math.max(2, availableParallelism() - 1) } });
