import { Annotation, END, interrupt, Send, START, StateGraph } from "@langchain/langgraph";
import fc from "fast-check";
import type { CompiledGraph } from "../../agents/define-agent.ts";
import type { JsonValue } from "../../runtime/core/json.ts";
import type { World } from "./langgraph/world.ts";

/** A world in which one also waits: for a person's answer, for another agent's, for a time. */
export interface WaitingWorld extends World {
  person(id: string): Promise<string>;
  agent(id: string): Promise<string>;
  sleep(id: string): Promise<string>;
}

/** One thing that a node does. What is refused or fails is caught, and noted. */
export interface Act {
  readonly does: "look" | "put" | "pay" | "ask" | "fail" | "person" | "agent" | "sleep";
  /** Acts with the same word have the same arguments, wherever they are. */
  readonly word: string;
}

export type Body =
  | { readonly kind: "acts"; readonly acts: readonly Act[] }
  /** Chains of acts, all at once. */
  | { readonly kind: "arms"; readonly arms: readonly (readonly Act[])[] }
  /** A graph that was added as the node itself. */
  | { readonly kind: "graph"; readonly graph: Graph }
  /** A graph that the node's function runs, so many times: one after the other, or all at once. */
  | {
      readonly kind: "function";
      readonly graph: Graph;
      readonly times: number;
      readonly together: boolean;
      readonly sameInput: boolean;
    };

/** One part of a graph after the other; each ends before the next begins. */
export type Stage =
  | { readonly kind: "nodes"; readonly nodes: readonly Body[] }
  | { readonly kind: "send"; readonly count: number; readonly body: Body }
  | { readonly kind: "loop"; readonly times: number; readonly body: Body };

export interface Graph {
  readonly stages: readonly Stage[];
}

const word = fc.constantFrom("a", "b", "same", "no");

/** Interrupts are numbered by their order, which is free among what runs at once: arms have none. */
const act = (...does: Act["does"][]): fc.Arbitrary<Act> => fc.record({ does: fc.constantFrom(...does), word });

const WAITS = ["person", "agent", "sleep"] as const;

const actsOf = (waits: boolean): fc.Arbitrary<Body> =>
  fc.record({
    kind: fc.constant("acts"),
    acts: fc.array(act("look", "put", "pay", "ask", "fail", ...(waits ? WAITS : [])), { minLength: 1, maxLength: 3 }),
  });

const armsOf = (waits: boolean): fc.Arbitrary<Body> =>
  fc.record({
    kind: fc.constant("arms"),
    arms: fc.array(
      fc.array(act("look", "put", "pay", "fail", ...(waits ? WAITS : [])), { minLength: 1, maxLength: 2 }),
      { minLength: 2, maxLength: 3 },
    ),
  });

function body(depth: number, waits: boolean): fc.Arbitrary<Body> {
  const [acts, arms] = [actsOf(waits), armsOf(waits)];
  if (depth === 0) return fc.oneof({ weight: 3, arbitrary: acts }, { weight: 1, arbitrary: arms });
  return fc.oneof(
    { weight: 3, arbitrary: acts },
    { weight: 1, arbitrary: arms },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("graph" as const), graph: graph(depth - 1, waits) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("function" as const),
        graph: graph(depth - 1, waits),
        times: fc.integer({ min: 1, max: 3 }),
        together: fc.boolean(),
        sameInput: fc.boolean(),
      }),
    },
  );
}

function stage(depth: number, waits: boolean): fc.Arbitrary<Stage> {
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("nodes" as const),
        nodes: fc.array(body(depth, waits), { minLength: 1, maxLength: depth === 0 ? 2 : 3 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("send" as const),
        count: fc.integer({ min: 1, max: 4 }),
        body: body(depth, waits),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("loop" as const),
        times: fc.integer({ min: 1, max: 3 }),
        body: body(depth, waits),
      }),
    },
  );
}

/** A random graph with graphs inside it, at most so deep; with `waits` its nodes also do what only a {@link WaitingWorld} can. */
export function graph(depth: number, waits = false): fc.Arbitrary<Graph> {
  return fc.record({ stages: fc.array(stage(depth, waits), { minLength: 1, maxLength: 2 }) });
}

/** What a person answers to a question of these graphs. */
export function answerTo(text: string): JsonValue {
  return { answer: text.length };
}

const State = Annotation.Root({
  log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
  turns: Annotation<number>({ reducer: (a, b) => a + b, default: () => 0 }),
  mine: Annotation<string>({ reducer: (_, b) => b, default: () => "" }),
});
type Update = { log?: string[]; turns?: number };

/** LangGraph's types follow every node that is added; these are added by a program. */
interface Builder {
  addNode(name: string, body: unknown, options?: object): unknown;
  addEdge(from: string | string[], to: string): unknown;
  addConditionalEdges(from: string, choose: (state: typeof State.State) => unknown, to?: string[]): unknown;
  compile(): CompiledGraph & { invoke(input: object): Promise<typeof State.State> };
}

/** A graph as LangGraph's users write it, of plain functions. */
export function buildGraph({ stages }: Graph, world: World | WaitingWorld): ReturnType<Builder["compile"]> {
  // A graph inside another gives what it adds, and not what it was given.
  const Output = Annotation.Root({ log: State.spec.log });
  const builder = new StateGraph({ stateSchema: State, output: Output }) as unknown as Builder;
  let before: string = START;
  for (const [i, stage] of stages.entries()) {
    const name = `s${String(i)}`;
    const join = `${name}-join`;
    builder.addNode(join, ({ log }: { log: string[] }) => ({ log: [`${name} ${String(log.length)}`] }));
    switch (stage.kind) {
      case "nodes": {
        const names = stage.nodes.map((_, n) => `${name}-${String(n)}`);
        for (const [n, one] of stage.nodes.entries()) {
          builder.addNode(names[n] ?? "", bodyOf(one, world));
          builder.addEdge(before, names[n] ?? "");
        }
        builder.addEdge(names, join);
        break;
      }
      case "send":
        builder.addNode(name, bodyOf(stage.body, world));
        builder.addConditionalEdges(
          before,
          () => Array.from({ length: stage.count }, (_, n) => new Send(name, { mine: String(n), log: [], turns: 0 })),
          [name],
        );
        builder.addEdge(name, join);
        break;
      case "loop":
        builder.addNode(name, bodyOf(stage.body, world));
        builder.addNode(`${name}-turn`, () => ({ turns: 1 }));
        builder.addEdge(before, name);
        builder.addEdge(name, `${name}-turn`);
        builder.addConditionalEdges(`${name}-turn`, ({ turns }) => (turns % stage.times === 0 ? join : name), [
          name,
          join,
        ]);
        break;
    }
    before = join;
  }
  builder.addEdge(before, END);
  return builder.compile();
}

function bodyOf(body: Body, world: World | WaitingWorld): unknown {
  switch (body.kind) {
    case "graph":
      return buildGraph(body.graph, world);
    case "acts":
      return async ({ mine }: { mine: string }): Promise<Update> => ({ log: await chain(body.acts, mine, world) });
    case "arms":
      return async ({ mine }: { mine: string }): Promise<Update> => ({
        log: (await Promise.all(body.arms.map((arm) => chain(arm, mine, world)))).flat(),
      });
    case "function": {
      const inner = buildGraph(body.graph, world);
      const run = async (n: number): Promise<string[]> =>
        (await inner.invoke({ mine: body.sameInput ? "x" : String(n), log: [] })).log;
      return async (): Promise<Update> => {
        const runs = Array.from({ length: body.times }, (_, n) => n);
        if (body.together) return { log: (await Promise.all(runs.map(run))).flat() };
        const log: string[] = [];
        for (const n of runs) log.push(...(await run(n)));
        return { log };
      };
    }
  }
}

async function chain(acts: readonly Act[], mine: string, world: World | WaitingWorld): Promise<string[]> {
  const log: string[] = [];
  for (const { does, word } of acts) {
    const id = `${does} ${word}`;
    if (does === "ask") {
      const { answer } = interrupt<unknown, { answer: number }>({ question: `${id} ${mine}?` });
      log.push(`${id}: ${String(answer)}`);
      continue;
    }
    if (does === "person" || does === "agent" || does === "sleep") {
      if (!("sleep" in world)) throw new Error("Nobody waits in this world.");
      log.push(await world[does](id));
      continue;
    }
    try {
      log.push(await (does === "fail" ? world.look("fail") : world[does](id)));
    } catch (error) {
      log.push(`${id}: ${(error as Error).name}`);
    }
  }
  return log;
}
