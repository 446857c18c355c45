/** Who code belongs to, by the file that it stands in. The first that fits has it. */
const FILES = [
  ["cedar", /node_modules\/@cedar-policy\/|^runtime\/rules\//],
  ["zod", /node_modules\/zod\/|^runtime\/engine\/arguments\.ts/],
  ["langsmith", /node_modules\/langsmith\//],
  ["saver", /node_modules\/@langchain\/langgraph-checkpoint/],
  ["langgraph", /node_modules\/@langchain\/langgraph/],
  [
    "langchain",
    /node_modules\/(@langchain\/|p-queue|p-retry|eventemitter3|ansi-styles|camelcase|decamelize|js-tiktoken)/,
  ],
  ["nats", /node_modules\/(nats|nkeys\.js|tweetnacl)\/|^runtime\/bus\//],
  ["pg", /node_modules\/(pg|pg-[a-z-]+|pgpass|postgres-[a-z-]+|xtend)\//],
  ["canonical", /^runtime\/core\/(canonical|json)\.ts|^runtime\/journal\/payload\.ts/],
  ["hash", /^runtime\/core\/chain\.ts/],
  ["record", /^runtime\/core\//],
  ["writer", /^runtime\/journal\//],
  [
    "scheduling",
    /^runtime\/engine\/(compile-agent|graph-|lean-|nested-|superstep-|channel-|codec|message-ids|runnable|snapshot)/,
  ],
  [
    "gate",
    /^runtime\/engine\/(gate|governor|governed|call|held-call|make-call|tool-call|open-calls|settle-call|node-|in-order|handles|place|turn|guarded-signal|call-signals|within-time)/,
  ],
  ["runs", /^(runtime|agents|tools|memory)\//],
  // What starts the runs and the profiler itself.
  ["harness", /^test\/bench\/engine\/serve\.ts/],
  ["user", /^test\//],
  ["libraries", /node_modules\//],
] as const;

export type Owner = (typeof FILES)[number][0] | "garbage" | "node";

/** @param file relative to the repository */
export function ownerOf(file: string): Owner | null {
  return FILES.find(([, pattern]) => pattern.test(file))?.[0] ?? null;
}

/** The parts of a step, as a reader knows them, with those who own code of them. */
export const PARTS = [
  {
    part: "LangGraph and LangChain",
    colour: "blue",
    owners: {
      langgraph: "LangGraph: scheduling, channels",
      langchain: "LangChain core: runnables, context",
      langsmith: "LangSmith's run trees",
      saver: "checkpoints: ids, copies, text",
    },
  },
  { part: "Nodes and tool", colour: "olive", owners: { user: "the agent's code" } },
  {
    part: "Engine",
    colour: "orange",
    owners: {
      gate: "the gate: keys, effects, hand-over",
      scheduling: "governed graph: state, supersteps",
      runs: "runs: attempts, leases, ends",
    },
  },
  { part: "Rules", colour: "purple", owners: { cedar: "Cedar: the verdict" } },
  { part: "Arguments and results", colour: "pink", owners: { zod: "Zod: checks" } },
  {
    part: "Record and hash",
    colour: "green",
    owners: {
      record: "what is known of the run",
      canonical: "canonical JSON",
      hash: "SHA-256 of payload and chain",
    },
  },
  { part: "Postgres's client", colour: "teal", owners: { writer: "the journal's writer", pg: "pg: the wire" } },
  { part: "NATS's client", colour: "brown", owners: { nats: "hints and live events" } },
  { part: "Garbage collection", colour: "red", owners: { garbage: "garbage collection" } },
  {
    part: "Node",
    colour: "grey",
    owners: { node: "event loop, sockets, promises", libraries: "other libraries" },
  },
] as const;
