/** The agents that the engine's benchmark watches one by one, while others keep their worker busy or alone. */
import { setTimeout as delay } from "node:timers/promises";
import { Annotation, Command, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineTool, type AnyAgent } from "signalbox";
import { z } from "zod";
import { APPENDED, look } from "../bench/engine/work.ts";

const Call = z.object({ step: z.string(), question: z.string() });
const Answer = z.object({ answer: z.string() });

/** Who decides about the calls of {@link heldAgent}. */
export const POOL = "desk";

/** The rules for what these agents call. */
export const WATCHED_RULES = `
@id("order") permit (principal, action == Action::"desk.order", resource);
@id("order-held") @effect("require_approval") @pool("${POOL}") @reason("A person decides about orders.")
forbid (principal, action == Action::"desk.order", resource) unless { context.approval.satisfied };
@id("ponder") permit (principal, action == Action::"desk.ponder", resource);`;

/**
 * Calls a tool that a rule holds for approval; its next node notes when it started.
 *
 * @returns an agent whose output has `startedNs`, of the monotonic clock that all processes of a machine share
 */
export function heldAgent(rules: URL): AnyAgent {
  const State = Annotation.Root({ id: Annotation<string>(), startedNs: Annotation<string>() });
  const order = defineTool({ name: "desk.order", effect: "irreversible", input: Call, output: Answer, run: look });
  return defineAgent({
    name: "held",
    state: State,
    tools: { order },
    rules,
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("order", async ({ id }) => {
          await tools.order({ step: "order", question: id });
          return {};
        })
        .addNode("next", () => ({ startedNs: String(process.hrtime.bigint()) }))
        .addEdge(START, "order")
        .addEdge("order", "next")
        .addEdge("next", END),
  });
}

/** How long a call of {@link slowAgent} takes. */
const PONDER_MS = 30;

/** Makes `steps` supersteps, each with a call that takes a while. */
export function slowAgent(rules: URL): AnyAgent {
  const State = Annotation.Root({
    id: Annotation<string>(),
    steps: Annotation<number>(),
    done: Annotation<number>({ reducer: (_, now) => now, default: () => 0 }),
    log: Annotation<string[]>({ reducer: (before, added) => before.concat(added), default: () => [] }),
  });
  const ponder = defineTool({
    name: "desk.ponder",
    effect: "read",
    input: Call,
    output: Answer,
    run: async (call) => {
      await delay(PONDER_MS);
      return look(call);
    },
  });
  return defineAgent({
    name: "slow",
    state: State,
    tools: { ponder },
    rules,
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("ponder", async ({ id, done }) => {
          await tools.ponder({ step: "ponder", question: `${id}-${String(done)}` });
          return { done: done + 1, log: [APPENDED] };
        })
        .addEdge(START, "ponder")
        .addConditionalEdges("ponder", ({ done, steps }) => (done < steps ? "ponder" : END), ["ponder", END]),
  });
}

/**
 * Makes `steps` supersteps that call nothing, each of which appends 100 bytes.
 *
 * @param ran told when a node runs, in which run and superstep of it; the node waits for what it is given
 */
export function growingAgent(ran: (id: string, superstep: number) => Promise<unknown> | undefined): AnyAgent {
  const State = Annotation.Root({
    id: Annotation<string>(),
    steps: Annotation<number>(),
    log: Annotation<string[]>({ reducer: (before, added) => before.concat(added), default: () => [] }),
  });
  return defineAgent({
    name: "grows",
    state: State,
    tools: {},
    graph: () =>
      new StateGraph(State)
        .addNode(
          "append",
          ({ id, log, steps }: typeof State.State) => {
            const superstep = log.length + 1;
            const made = new Command({ update: { log: [APPENDED] }, goto: superstep < steps ? "append" : END });
            return ran(id, superstep)?.then(() => made) ?? made;
          },
          { ends: ["append", END] },
        )
        .addEdge(START, "append"),
  });
}
