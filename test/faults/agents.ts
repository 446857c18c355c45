import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool, type SignalboxConfig } from "signalbox";
import { z } from "zod";
import type { RetryOptions } from "../../tools/define-tool.ts";
import { askBank, type BankCall, type BankRequest, type Fate } from "./bank.ts";

/** How long a lease lasts: long enough for two busy cores, short enough for many seeds. */
export const LEASE_MS = 400;
/** For cases that no lease may run out in, however busy the machine is. */
export const PATIENT = { leaseMs: 3_000 };
/** How long a tool that can be asked afterwards may take. */
export const CALL_MS = 1_800;
/** How long one that cannot be asked may take: longer, because running out of it is a doubt. */
const BLIND_CALL_MS = 10_000;
/** For those that nobody has to ask about: no case waits for it. */
const SAFE_CALL_MS = 10_000;

/** How many calls of the scarce tool, and runs of the agent of which there are few, may be under way at once. */
export const AT_ONCE = 2;
/** How many messages a sender sends to one queue. */
export const MESSAGES = 5;
/** Long enough to park. */
export const SLEEP_MS = 1_300;

/** How many supersteps a long run makes: enough for two snapshots. */
export const STRIDES = 60;

export const ALL_AGENTS = [
  "clerk",
  "teller",
  "answerer",
  "asker",
  "both",
  "holder",
  "person",
  "sleeper",
  "trier",
  "queuer",
  "few",
  "strider",
  "sender",
  "collector",
] as const;
export type FaultAgent = (typeof ALL_AGENTS)[number];
const ASKERS: readonly FaultAgent[] = ["asker", "both"];

const input = z.object({ id: z.string() });
const output = z.object({ key: z.string() });
type Context = { readonly effectId: string; readonly signal: AbortSignal };

/**
 * These agents, with those that they ask, and what the rules in this folder say of them. `bank` is where their tools
 * call; the starter of runs, who calls nothing, gives none.
 */
export function faultProject(folder: URL, bank = 0, only: readonly FaultAgent[] = ALL_AGENTS): SignalboxConfig {
  const ask = (what: BankRequest["what"], call: BankCall, signal: AbortSignal): Promise<unknown> =>
    askBank(bank, { what, call }, signal);
  const tool = (
    name: string,
    effect: "read" | "idempotent" | "compensatable" | "irreversible",
    options: {
      readonly timeoutMs: number;
      readonly reconcile: boolean;
      readonly retry?: RetryOptions;
      readonly concurrency?: number;
    },
  ) => {
    const callOf = (id: string, key: string): BankCall => ({ id, key, kind: effect, pid: process.pid });
    const point = async (at: "before" | "after", call: BankCall, signal: AbortSignal): Promise<void> => {
      const { fate } = (await ask(at, call, signal)) as { fate: Fate };
      // The process is gone before this returns: nothing of it runs on.
      if (fate === "die") process.kill(process.pid, "SIGKILL");
    };
    return defineTool({
      name,
      effect,
      input,
      output,
      timeoutMs: options.timeoutMs,
      ...(options.retry === undefined ? {} : { retry: options.retry }),
      ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
      run: async ({ id }: { id: string }, { effectId, signal }: Context) => {
        const call = callOf(id, effectId);
        await point("before", call, signal);
        const acted = (await ask("act", call, signal)) as { key: string };
        await point("after", call, signal);
        return acted;
      },
      ...(options.reconcile
        ? {
            reconcile: async ({ id }: { id: string }, { effectId, signal }: Context) => {
              const { found } = (await ask("find", callOf(id, effectId), signal)) as { found: boolean };
              return found ? { key: effectId } : null;
            },
          }
        : {}),
    });
  };
  const asked = { timeoutMs: CALL_MS, reconcile: true };
  const look = tool("bank.look", "read", { timeoutMs: SAFE_CALL_MS, reconcile: false });
  const upsert = tool("bank.upsert", "idempotent", { timeoutMs: SAFE_CALL_MS, reconcile: false });
  const book = tool("bank.book", "compensatable", asked);
  const pay = tool("bank.pay", "irreversible", asked);
  const held = tool("bank.held", "irreversible", asked);
  const wire = tool("bank.wire", "irreversible", { timeoutMs: BLIND_CALL_MS, reconcile: false });

  const flaky = tool("bank.flaky", "idempotent", {
    timeoutMs: SAFE_CALL_MS,
    reconcile: false,
    retry: { maxAttempts: 5, firstDelayMs: 300, factor: 1 },
  });
  const scarce = tool("bank.scarce", "compensatable", { ...asked, concurrency: AT_ONCE });

  const State = Annotation.Root({ id: Annotation<string>(), key: Annotation<string>() });
  type Step = (id: string) => Promise<{ key: string }>;
  /** One node after the other, each with one call. */
  const chain = (steps: Readonly<Record<string, Step>>) => {
    const graph = new StateGraph(State);
    const names = Object.keys(steps);
    for (const [name, step] of Object.entries(steps)) graph.addNode(name, ({ id }) => step(id));
    // The names are the graph's own, which its type does not know.
    const edges = graph as unknown as { addEdge(from: string, to: string): unknown };
    [START, ...names].forEach((name, i) => edges.addEdge(name, names[i] ?? END));
    return graph;
  };

  const clerk = defineAgent({
    name: "clerk",
    state: State,
    tools: { look, upsert, book, pay },
    graph: ({ tools }) =>
      chain({
        look: (id) => tools.look({ id }),
        upsert: (id) => tools.upsert({ id: `${id}:upsert` }),
        book: (id) => tools.book({ id: `${id}:book` }),
        pay: (id) => tools.pay({ id: `${id}:pay` }),
      }),
  });
  const teller = defineAgent({
    name: "teller",
    state: State,
    tools: { wire, upsert },
    graph: ({ tools }) =>
      chain({ wire: (id) => tools.wire({ id: `${id}:wire` }), upsert: (id) => tools.upsert({ id: `${id}:upsert` }) }),
  });
  const answerer = defineAgent({
    name: "answerer",
    state: State,
    tools: { pay },
    graph: ({ tools }) => chain({ pay: (id) => tools.pay({ id: `${id}:answer` }) }),
  });
  const asker = defineAgent({
    name: "asker",
    state: State,
    tools: { pay },
    agents: { answerer },
    graph: ({ tools, agents }) =>
      chain({
        ask: async (id) => ({ key: (await agents.answerer.ask({ id })).key }),
        pay: (id) => tools.pay({ id: `${id}:pay` }),
      }),
  });
  const both = defineAgent({
    name: "both",
    state: State,
    tools: { pay },
    agents: { answerer },
    graph: ({ tools, agents }) =>
      chain({
        ask: async (id) => {
          const answers = await Promise.all(["1", "2"].map((n) => agents.answerer.ask({ id: `${id}.${n}` })));
          return { key: answers.map(({ key }) => key).join("+") };
        },
        pay: (id) => tools.pay({ id: `${id}:pay` }),
      }),
  });
  const holder = defineAgent({
    name: "holder",
    state: State,
    tools: { held },
    graph: ({ tools }) => chain({ held: (id) => tools.held({ id: `${id}:held` }) }),
  });
  const person = defineAgent({
    name: "person",
    state: State,
    tools: { pay },
    graph: ({ tools, human }) =>
      chain({
        ask: (id) => human.ask({ question: `What of ${id}?`, pool: "finance", answer: z.object({ key: z.string() }) }),
        pay: (id) => tools.pay({ id: `${id}:pay` }),
      }),
  });
  const sleeper = defineAgent({
    name: "sleeper",
    state: State,
    tools: { pay },
    graph: ({ tools, clock }) =>
      chain({
        sleep: async (id) => {
          await clock.sleep(SLEEP_MS);
          return { key: id };
        },
        pay: (id) => tools.pay({ id: `${id}:pay` }),
      }),
  });
  const trier = defineAgent({
    name: "trier",
    state: State,
    tools: { flaky },
    graph: ({ tools }) => chain({ flaky: (id) => tools.flaky({ id: `${id}:flaky` }) }),
  });
  const queuer = defineAgent({
    name: "queuer",
    state: State,
    tools: { scarce },
    graph: ({ tools }) => chain({ scarce: (id) => tools.scarce({ id: `${id}:scarce` }) }),
  });
  const few = defineAgent({
    name: "few",
    state: State,
    tools: { pay },
    concurrency: AT_ONCE,
    graph: ({ tools }) => chain({ pay: (id) => tools.pay({ id: `${id}:few` }) }),
  });
  const Strides = Annotation.Root({
    ...State.spec,
    n: Annotation<number>({ reducer: (a, b) => a + b, default: () => 0 }),
    log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
  });
  const strider = defineAgent({
    name: "strider",
    state: Strides,
    tools: { upsert, book, pay },
    graph: ({ tools }) =>
      new StateGraph(Strides)
        .addNode("stride", async ({ id, n, log }) => {
          // A state that is not what it was at this superstep is a payment that nobody expects.
          if (log.length !== n) await tools.pay({ id: `${id}:stray` });
          if (n === STRIDES / 3) await tools.upsert({ id: `${id}:upsert` });
          if (n === STRIDES / 2) await tools.book({ id: `${id}:book` });
          return { n: 1, log: [String(n)] };
        })
        .addNode("pay", ({ id }) => tools.pay({ id: `${id}:pay` }))
        .addEdge(START, "stride")
        .addConditionalEdges("stride", ({ n }) => (n < STRIDES ? "stride" : "pay"), ["stride", "pay"])
        .addEdge("pay", END),
  });
  const collector = defineAgent({
    name: "collector",
    state: State,
    tools: { upsert },
    graph: ({ tools, messages }) =>
      chain({
        // Two at most: what else there is starts the next run.
        take: async (id) => {
          await tools.upsert({ id });
          const next = await messages.receive({ timeoutMs: 300, body: input });
          if (next) await tools.upsert({ id: next.body.id });
          return { key: id };
        },
      }),
  });
  const sender = defineAgent({
    name: "sender",
    state: State,
    tools: { pay },
    agents: { collector },
    graph: ({ tools, agents }) =>
      chain({
        send: async (id) => {
          for (let n = 1; n <= MESSAGES; n++) await agents.collector.send({ id: `${id}:m${String(n)}` }, { key: id });
          return { key: id };
        },
        pay: (id) => tools.pay({ id: `${id}:pay` }),
      }),
  });
  const agents = [clerk, teller, answerer, asker, both, holder, person, sleeper, trier, queuer, few, strider];
  agents.push(sender, collector);
  const names = new Set<string>([
    ...only,
    ...(only.some((name) => ASKERS.includes(name)) ? ["answerer"] : []),
    ...(only.includes("sender") ? ["collector"] : []),
  ]);
  return defineConfig({
    agents: agents.filter(({ name }) => names.has(name)),
    // Rules may name what a worker has, and nothing else.
    rules: ["permit.cedar", ...(names.has("holder") ? ["held.cedar"] : [])].map((file) => new URL(file, folder)),
  });
}

export type AgentName = Exclude<FaultAgent, "answerer" | "collector">;

/** What must have happened outside, once each, when a run of the agent has finished. */
export function expectedOf(agent: AgentName, id: string): string[] {
  switch (agent) {
    case "clerk":
    case "strider":
      return [`${id}:upsert`, `${id}:book`, `${id}:pay`];
    case "teller":
      return [`${id}:wire`, `${id}:upsert`];
    case "asker":
      return [`${id}:answer`, `${id}:pay`];
    case "both":
      return [`${id}.1:answer`, `${id}.2:answer`, `${id}:pay`];
    case "holder":
      return [`${id}:held`];
    case "person":
    case "sleeper":
      return [`${id}:pay`];
    case "trier":
      return [`${id}:flaky`];
    case "queuer":
      return [`${id}:scarce`];
    case "sender":
      return [...Array.from({ length: MESSAGES }, (_, i) => `${id}:m${String(i + 1)}`), `${id}:pay`];
    case "few":
      return [`${id}:few`];
  }
}
