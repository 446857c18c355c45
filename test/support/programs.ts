import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import fc from "fast-check";
import { defineAgent, defineTool } from "signalbox";
import { z } from "zod";
import type { JournalEvent } from "../../runtime/core/events.ts";
import type { ProposedCall } from "../../runtime/core/judge.ts";
import { DENIED, type Say } from "./engine.ts";

/** One call of a random program: what it does, with which arguments, and how long its caller dawdles before it. */
export interface Step {
  readonly tool: "look" | "put" | "pay" | "fail" | "deny";
  /** Calls with the same word have the same arguments, wherever they are. */
  readonly word: string;
  /** Turns of the microtask queue before the call. */
  readonly hops: number;
}

/** Several arms of one node, each a chain of calls; all run at once. */
export interface Program {
  readonly arms: readonly (readonly Step[])[];
  /** How the node waits for its arms. */
  readonly join: "all" | "allSettled";
}

const step: fc.Arbitrary<Step> = fc.record({
  tool: fc.constantFrom("look", "put", "pay", "fail", "deny"),
  word: fc.constantFrom("a", "b", "same"),
  hops: fc.nat(5),
});

export const program: fc.Arbitrary<Program> = fc.record({
  arms: fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 4 }),
  join: fc.constantFrom("all", "allSettled"),
});

/** The world that programs call: every call gives another number, after a time that differs each time. */
export class World {
  #next = 0;
  /** How often each effect was called. */
  readonly calls = new Map<string, number>();
  readonly ledger = new Map<string, number>();
  readonly #latency: () => number;

  constructor(latency: () => number) {
    this.#latency = latency;
  }

  async call(effectId: string): Promise<number> {
    this.calls.set(effectId, (this.calls.get(effectId) ?? 0) + 1);
    await this.#wait();
    const n = ++this.#next;
    this.ledger.set(effectId, n);
    return n;
  }

  /** Nothing, some microtasks, or a millisecond or two. */
  async #wait(): Promise<void> {
    const latency = this.#latency();
    if (latency > 5) await new Promise((resolve) => setTimeout(resolve, latency - 5));
    else for (let i = 0; i < latency; i++) await Promise.resolve();
  }
}

/** What the rules say in these programs. */
export const sayOfPrograms: Say = (call: ProposedCall) => (call.action === "deny" ? DENIED : undefined);

/** An agent with one node that runs the program and notes in `heard` what it was given, in the order in which it came. */
export function programAgent(program: Program, world: World, heard: (place: string, what: string) => void) {
  const input = z.object({ word: z.string() });
  const output = z.object({ n: z.number() });
  const run = async (_: unknown, { effectId }: { effectId: string }): Promise<{ n: number }> => ({
    n: await world.call(effectId),
  });
  const fails = async (_: unknown, { effectId }: { effectId: string }): Promise<never> => {
    throw new Error(`failed ${String(await world.call(effectId))}`);
  };
  const tools = {
    look: defineTool({ name: "look", effect: "read", input, output, run }),
    put: defineTool({ name: "put", effect: "idempotent", input, output, run }),
    pay: defineTool({
      name: "pay",
      effect: "irreversible",
      input,
      output,
      run,
      reconcile: (_, { effectId }) => {
        const n = world.ledger.get(effectId);
        return n === undefined ? null : { n };
      },
    }),
    fail: defineTool({ name: "fail", effect: "read", input, output, run: fails }),
    deny: defineTool({ name: "deny", effect: "idempotent", input, output, run }),
  };
  const State = Annotation.Root({ done: Annotation<boolean>() });
  return defineAgent({
    name: "program",
    state: State,
    tools,
    graph: ({ tools: handles }) =>
      new StateGraph(State)
        .addNode("node", async () => {
          const arms = program.arms.map(async (steps, arm) => {
            for (const [i, { tool, word, hops }] of steps.entries()) {
              for (let hop = 0; hop < hops; hop++) await Promise.resolve();
              const place = `${String(arm)}.${String(i)}`;
              try {
                heard(place, String((await handles[tool]({ word })).n));
              } catch (error) {
                heard(place, error instanceof Error ? error.message : "?");
              }
            }
          });
          await (program.join === "all" ? Promise.all(arms) : Promise.allSettled(arms));
          return { done: true };
        })
        .addEdge(START, "node")
        .addEdge("node", END),
  });
}

/** What the record says that a program was given, in the order in which it was given. */
export function given(events: readonly JournalEvent[]): string[] {
  const names = new Map<string, string>();
  return events.flatMap((event) => {
    if (event.type === "effect_intended") names.set(event.data.effect, event.data.name);
    if (event.type === "effect_refused")
      return [`The call of ${event.data.name} was refused: ${event.data.verdict.reason}`];
    if (event.type !== "effect_recorded" && event.type !== "effect_finished") return [];
    const { outcome } = event.data;
    if (outcome.ok) return [String((outcome.value as { n: number }).n)];
    const name = event.type === "effect_recorded" ? event.data.name : (names.get(event.data.effect) ?? "?");
    return [`The call of ${name} failed: ${outcome.error.message}`];
  });
}
