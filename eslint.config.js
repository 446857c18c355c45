import reactHooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** What a node of an agent must not use by itself: it would not be recorded, so a replay would differ. */
const UNRECORDED = {
  globals: [
    { name: "fetch", message: "A node reaches the world through its tools. Put the call into a tool." },
    { name: "setTimeout", message: "A node that waits on a timer is not replayed. Wait through a handle." },
    { name: "setInterval", message: "A node that waits on a timer is not replayed. Wait through a handle." },
  ],
  properties: [
    { object: "Date", property: "now", message: "Use clock.now(): it is recorded, so a replay reads the same." },
    { object: "Math", property: "random", message: "Use clock.random(): it is recorded, so a replay draws the same." },
  ],
};

export default defineConfig(
  globalIgnores(["**/dist/", "dist.*/", "coverage/", ".signalbox/", "test/first-agent/"]),
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: "error",
      "no-console": "error",
      "prefer-const": "error",
      // A promise that nobody awaits is an effect that nobody records.
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ["agents/*/**/*.ts"],
    rules: {
      "no-restricted-globals": ["error", ...UNRECORDED.globals],
      "no-restricted-properties": ["error", ...UNRECORDED.properties],
    },
  },
  {
    files: ["console/web/**/*.ts", "console/web/**/*.tsx"],
    extends: [reactHooks.configs.flat["recommended-latest"]],
  },
  {
    // Type tests call what does not exist, to see the compiler object.
    files: ["**/*.test-d.ts"],
    rules: { "@typescript-eslint/no-unsafe-call": "off" },
  },
  {
    // The command line is where the process talks to a person.
    files: ["runtime/cli/**/*.ts", "test/**/*.ts"],
    rules: { "no-console": "off" },
  },
);
