// The directions in which the folders may import each other (docs/architecture.md, "Where things live").
// test/unit/import-directions.test.ts breaks every rule once, to show that it is seen.

/** Paths of dependencies, wherever npm put them. */
const npm = (names) => `node_modules/(${names})/`;

/** First-party code that ships. */
const OURS = "^(agents|tools|memory|runtime|console|test)/";

/** How agents and tools are declared: types that the parts which run them are written against. */
const DECLARATIONS = "^(agents/[^/]+|tools/define-tool)\\.ts$";

/** The only places that see everything: here the parts are put together. */
const COMPOSITION = "^runtime/(cli|platform)/";

/** Part of the public surface: it loads the platform when it is called. */
const EMBEDDED = "^runtime/embedded\\.ts$";

/** The files of core that a browser can load. */
const BROWSER_SAFE =
  "^runtime/core/(protocol|events|people|effects|verdict|json|causal-order|bus|messages|messages-protocol|journal|topics)\\.ts$";

/** A library that only the named folders may import. */
const onlyIn = (name, library, folders, comment) => ({
  name,
  comment,
  severity: "error",
  from: { pathNot: folders },
  to: { path: npm(library) },
});

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "no-cycles",
      comment: "Two files that need each other are one file, or need a third. Types may refer to each other.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-unresolved",
      comment: "An import that leads nowhere.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "core-is-pure",
      comment: "Core holds formats and ports: it imports itself, zod and node:crypto.",
      severity: "error",
      from: { path: "^runtime/core/" },
      to: { pathNot: ["^runtime/core/", npm("zod"), "^(node:)?crypto$"] },
    },
    {
      name: "parts-meet-in-core",
      comment:
        "Tools, memory, the console's server and the folders of runtime know each other's ports, never each other.",
      severity: "error",
      from: { path: "^(tools|memory|console/server|runtime/(?!core/|cli/|platform/)[^/]+)/" },
      to: { path: OURS, pathNot: ["^$1/", "^runtime/core/", DECLARATIONS] },
    },
    {
      name: "declarations-are-for-types",
      comment: "The parts that run agents and tools take them as values and need only their types.",
      severity: "error",
      from: { path: "^(memory|console/server|runtime/(?!core/|cli/|platform/)[^/]+)/" },
      to: { path: DECLARATIONS, dependencyTypesNot: ["type-only"] },
    },
    {
      name: "composition-is-the-top",
      comment: "Whatever puts the parts together is imported by none of them.",
      severity: "error",
      from: { pathNot: [COMPOSITION, EMBEDDED] },
      to: { path: COMPOSITION },
    },
    {
      name: "surface-is-thin",
      comment: "The public surface and the configuration offer declarations, core and errors, no machinery.",
      severity: "error",
      from: { path: "^runtime/[^/]+\\.ts$" },
      to: {
        path: OURS,
        // Who may import the composition has a rule of its own.
        pathNot: ["^runtime/[^/]+\\.ts$", "^runtime/core/", "^runtime/[^/]+/errors\\.ts$", DECLARATIONS, COMPOSITION],
      },
    },
    {
      name: "embedded-loads-late",
      comment:
        "To import the public surface loads no machinery: a worker inside a service brings it when it is started.",
      severity: "error",
      from: { path: EMBEDDED },
      to: { path: COMPOSITION, dependencyTypesNot: ["dynamic-import", "type-only"] },
    },
    {
      name: "declarations-are-thin",
      comment:
        "How agents are declared needs how tools are declared, core, zod, and what LangChain calls a tool and a model.",
      severity: "error",
      from: { path: "^agents/[^/]+\\.ts$" },
      to: {
        pathNot: ["^agents/[^/]+\\.ts$", "^tools/define-tool\\.ts$", "^runtime/core/", npm("zod|@langchain/core")],
      },
    },
    {
      name: "declarations-load-no-langchain",
      comment: "To declare an agent loads no library: of LangChain's only types are needed.",
      severity: "error",
      from: { path: "^agents/[^/]+\\.ts$" },
      to: { path: npm("@langchain/[^/]+"), dependencyTypesNot: ["type-only"] },
    },
    {
      name: "teams-are-users",
      comment: 'A bundled team imports what a user\'s would: "signalbox", @langchain/*, zod, Node and its own files.',
      severity: "error",
      from: { path: "^agents/([^/]+)/" },
      to: {
        pathNot: ["^agents/$1/", "^runtime/index\\.ts$", npm("@langchain/[^/]+|zod")],
        dependencyTypesNot: ["core"],
      },
    },
    {
      name: "teams-say-signalbox",
      comment: 'A bundled team writes "signalbox", not a path into the platform.',
      severity: "error",
      from: { path: "^agents/[^/]+/" },
      to: { path: "^runtime/", dependencyTypes: ["local"] },
    },
    {
      name: "web-is-a-browser",
      comment: "The console's pages share core's browser-safe files with the platform and nothing else.",
      severity: "error",
      from: { path: "^console/web/", pathNot: "^console/web/vite\\.config\\.ts$" },
      to: { path: OURS, pathNot: ["^console/web/", BROWSER_SAFE] },
    },
    {
      name: "browser-safe-stays-safe",
      comment: "What a page loads of core must not pull in the rest of it.",
      severity: "error",
      from: { path: BROWSER_SAFE },
      to: { pathNot: [BROWSER_SAFE, npm("zod")] },
    },
    {
      name: "web-has-no-node",
      comment: "A page cannot load Node's modules.",
      severity: "error",
      from: { path: "^console/web/", pathNot: "^console/web/vite\\.config\\.ts$" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "pages-are-not-imported",
      comment: "The server hands the built pages out as files.",
      severity: "error",
      from: { pathNot: ["^console/web/", "^test/unit/console-web/"] },
      to: { path: "^console/web/" },
    },
    {
      name: "no-tests-in-the-product",
      comment: "Code that ships knows nothing of tests.",
      severity: "error",
      from: { pathNot: "^test/" },
      to: { path: "^test/" },
    },
    onlyIn("postgres-in-one-folder", "pg", "^runtime/journal/", "Everybody else uses the port in core/database.ts."),
    onlyIn("nats-in-one-folder", "nats", "^runtime/bus/", "Everybody else uses the port in core/bus.ts."),
    onlyIn(
      "cedar-in-one-folder",
      "@cedar-policy/[^/]+",
      "^runtime/rules/",
      "Everybody else uses the port in core/judge.ts.",
    ),
    onlyIn(
      "langchain-in-its-folders",
      "@langchain/[^/]+",
      "^(runtime/(engine|models)|agents)/",
      "LangGraph schedules and LangChain talks to models; nothing else depends on them.",
    ),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(dist|coverage)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["signalbox-source", "import", "node", "default", "types"],
      extensions: [".ts", ".tsx", ".js", ".mjs", ".cjs", ".json", ".d.ts"],
    },
  },
};
