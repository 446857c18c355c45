/** LangGraph as it comes: `CHECKPOINTER` is `none`, `memory` or `postgres` (which `DATABASE_URL` names). */
import { Annotation, END, MemorySaver, START, StateGraph } from "@langchain/langgraph";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import { randomUUID } from "node:crypto";
import { serve, versionsOf } from "../engine/serve.ts";
import { APPENDED, look, nextCall, STEPS } from "../engine/work.ts";

const kind = process.env.CHECKPOINTER;
const State = Annotation.Root({
  log: Annotation({ reducer: (before, added) => before.concat(added), default: () => [] }),
});

const checkpointer = await open();
let graph = new StateGraph(State);
for (const step of STEPS) {
  graph.addNode(step, async () => {
    await look(nextCall(step));
    return { log: [APPENDED] };
  });
}
graph.addEdge(START, STEPS[0]);
STEPS.slice(1).forEach((step, i) => graph.addEdge(STEPS[i], step));
graph.addEdge(STEPS.at(-1), END);
const app = graph.compile(checkpointer ? { checkpointer } : {});

serve({
  versions: await versionsOf(
    import.meta.url,
    "@langchain/langgraph",
    "@langchain/core",
    ...(kind === "postgres" ? ["@langchain/langgraph-checkpoint-postgres"] : []),
  ),
  async run() {
    const config = checkpointer ? { configurable: { thread_id: randomUUID() }, durability: "sync" } : {};
    const { log } = await app.invoke({ log: [] }, config);
    if (log.length !== STEPS.length) throw new Error(`The run has ${log.length} entries.`);
  },
});

async function open() {
  if (kind === "none") return undefined;
  if (kind === "memory") return new MemorySaver();
  const saver = PostgresSaver.fromConnString(process.env.DATABASE_URL);
  await saver.setup();
  return saver;
}
