import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool, type SignalboxConfig } from "signalbox";
import { z } from "zod";
import { expectedOf, faultProject, type AgentName } from "../faults/agents.ts";
import { askBank } from "../faults/bank.ts";

/** Agents that the fault cases do not need. */
export const MORE_AGENTS = ["fleeting", "marathoner", "poster", "rememberer"] as const;
export type SoakAgent = AgentName | (typeof MORE_AGENTS)[number];

/** How many supersteps the longest runs make: enough for several snapshots. */
export const MARATHON = 300;
/** How often it pays on its way. */
const STATIONS = 3;
/** Messages of many senders that go to few queues. */
const QUEUES = 8;
const POSTED = 3;

/** Where the rules of the fault cases are; the others are beside this file. */
const FAULTS = new URL("../faults/", import.meta.url);
const RULES = new URL("soak.cedar", import.meta.url);

/** What the workers have to be told of the rules: their program is not where this file is. */
export interface RulesPlace {
  readonly faults: string;
  readonly soak: string;
}

export const RULES_PLACE: RulesPlace = { faults: FAULTS.href, soak: RULES.href };

const Id = z.object({ id: z.string() });
const Key = z.object({ key: z.string() });

/** The agents of the fault cases, and those of longer and more mixed work. `bank` is where their tools call. */
export function soakProject(rules: RulesPlace, bank = 0): SignalboxConfig {
  const faults = faultProject(new URL(rules.faults), bank);
  const act = (kind: "idempotent" | "irreversible") => ({
    input: Id,
    output: Key,
    timeoutMs: 10_000,
    run: async ({ id }: { id: string }, { effectId, signal }: { effectId: string; signal: AbortSignal }) =>
      (await askBank(bank, { what: "act", call: { id, key: effectId, kind, pid: process.pid } }, signal)) as {
        key: string;
      },
  });
  const found = async ({ id }: { id: string }, { effectId, signal }: { effectId: string; signal: AbortSignal }) => {
    const call = { id, key: effectId, kind: "irreversible", pid: process.pid };
    const answer = (await askBank(bank, { what: "find", call }, signal)) as { found: boolean };
    return answer.found ? { key: effectId } : null;
  };
  const note = defineTool({ name: "bank.note", effect: "idempotent", ...act("idempotent") });
  const give = defineTool({ name: "bank.give", effect: "irreversible", ...act("irreversible"), reconcile: found });
  const fleeting = defineTool({
    name: "bank.fleeting",
    effect: "irreversible",
    ...act("irreversible"),
    reconcile: found,
  });

  const State = Annotation.Root({ id: Annotation<string>(), key: Annotation<string>() });
  const collector = defineAgent({
    name: "taker",
    state: State,
    tools: { note },
    graph: ({ tools, messages }) =>
      new StateGraph(State)
        .addNode("take", async ({ id }) => {
          await tools.note({ id });
          // A few at most: what else there is starts the next run.
          for (let n = 0; n < 4; n++) {
            const next = await messages.receive({ timeoutMs: 200, body: Id });
            if (!next) break;
            await tools.note({ id: next.body.id });
          }
          return { key: id };
        })
        .addEdge(START, "take")
        .addEdge("take", END),
  });
  const poster = defineAgent({
    name: "poster",
    state: State,
    tools: { give },
    agents: { taker: collector },
    graph: ({ tools, agents }) =>
      new StateGraph(State)
        .addNode("post", async ({ id }) => {
          const key = `queue-${String(Number(id.split(".").at(-1)) % QUEUES)}`;
          for (let n = 1; n <= POSTED; n++) await agents.taker.send({ id: `${id}:p${String(n)}` }, { key });
          return { key };
        })
        .addNode("give", ({ id }) => tools.give({ id: `${id}:give` }))
        .addEdge(START, "post")
        .addEdge("post", "give")
        .addEdge("give", END),
  });
  const hasty = defineAgent({
    name: "fleeting",
    state: State,
    tools: { fleeting },
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("ask", ({ id }) => tools.fleeting({ id: `${id}:fleeting` }))
        .addEdge(START, "ask")
        .addEdge("ask", END),
  });
  const Log = Annotation.Root({
    ...State.spec,
    log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
  });
  const marathoner = defineAgent({
    name: "marathoner",
    state: Log,
    tools: { give },
    graph: ({ tools }) =>
      new StateGraph(Log)
        .addNode("run", async ({ id, log }) => {
          const n = log.length;
          if (n % (MARATHON / STATIONS) === 1) await tools.give({ id: `${id}:${String(n)}` });
          return { log: [`${id} has run ${String(n)} of ${String(MARATHON)} supersteps, and goes on.`] };
        })
        .addEdge(START, "run")
        .addConditionalEdges("run", ({ log }) => (log.length < MARATHON ? "run" : END), ["run", END]),
  });
  const rememberer = defineAgent({
    name: "rememberer",
    state: State,
    tools: { note },
    graph: ({ tools, memory }) =>
      new StateGraph(State)
        .addNode("remember", async ({ id }) => {
          await memory.remember({ namespace: "soak", text: `What became of ${id}: it was remembered.` });
          const items = await memory.recall({ namespace: "soak", query: `what became of ${id}`, limit: 3 });
          return { key: String(items.length) };
        })
        .addNode("note", ({ id }) => tools.note({ id: `${id}:note` }))
        .addEdge(START, "remember")
        .addEdge("remember", "note")
        .addEdge("note", END),
  });
  return defineConfig({
    agents: [...faults.agents, collector, poster, hasty, marathoner, rememberer],
    rules: [...["permit.cedar", "held.cedar"].map((file) => new URL(file, new URL(rules.faults))), new URL(rules.soak)],
  });
}

/** What must have happened outside, once each, when a run of the agent has finished. */
export function expectedOfSoak(agent: SoakAgent, id: string): string[] {
  switch (agent) {
    case "fleeting":
      return [`${id}:fleeting`];
    case "marathoner":
      return Array.from({ length: STATIONS }, (_, i) => `${id}:${String((i * MARATHON) / STATIONS + 1)}`);
    case "poster":
      return [...Array.from({ length: POSTED }, (_, i) => `${id}:p${String(i + 1)}`), `${id}:give`];
    case "rememberer":
      return [`${id}:note`];
    default:
      return expectedOf(agent, id);
  }
}
