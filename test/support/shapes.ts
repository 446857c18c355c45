import { randomUUID } from "node:crypto";
import { Annotation } from "@langchain/langgraph";
import { defineAgent, defineTool, type AnyAgent } from "signalbox";
import { z } from "zod";
import type { CompiledGraph, GraphBuilder } from "../../agents/define-agent.ts";
import type { EventData, JournalEvent, RunStatus, Wait } from "../../runtime/core/events.ts";
import type { JsonValue } from "../../runtime/core/json.ts";
import { encode } from "../../runtime/engine/codec.ts";
import type { CompiledAgent } from "../../runtime/engine/compile-agent.ts";
import { HELD, TestEngine, type EngineOptions, type Say } from "./engine.ts";
import type { WaitingWorld } from "./graphs.ts";
import type { World } from "./langgraph/world.ts";
import { memoryRun } from "./memory-journal.ts";

/** Payments wait for a person; everything else is allowed. */
export const holdPay: Say = (call) => (call.action === "pay" && !call.approval.satisfied ? HELD : undefined);

/** Long enough to park. */
const SLEEP_MS = 30_000;

interface ShapeOptions {
  /** Is told of every call that reaches the world. */
  readonly called?: string[];
  /** Who answers its interrupts. */
  readonly pool?: string | null;
  /** How many turns of the event loop the next call takes. */
  readonly dawdle?: () => number;
}

/** A LangGraph graph as an agent: its world is made of governed tools. */
export function shapeAgent(
  shape: (world: WaitingWorld) => GraphBuilder | CompiledGraph,
  { called = [], pool = "finance", dawdle = () => 0 }: ShapeOptions = {},
): AnyAgent {
  const io = z.object({ id: z.string() });
  const paid = new Map<string, { id: string }>();
  const note = async (input: { id: string }): Promise<{ id: string }> => {
    for (let turns = dawdle(); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    called.push(input.id);
    if (input.id === "fail") throw new Error("It fails.");
    return { id: input.id };
  };
  const read = defineTool({ name: "read", effect: "read", input: io, output: io, run: note });
  const put = defineTool({ name: "put", effect: "idempotent", input: io, output: io, run: note });
  const pay = defineTool({
    name: "pay",
    effect: "irreversible",
    input: io,
    output: io,
    run: (input, { effectId }) => {
      if (paid.has(effectId)) throw new Error(`${input.id} is paid twice.`);
      paid.set(effectId, input);
      return note(input);
    },
    reconcile: (_, { effectId }) => paid.get(effectId) ?? null,
  });
  const asked = defineAgent({
    name: "asked",
    state: Annotation.Root({ id: Annotation<string>() }),
    graph: () => {
      throw new Error("It is asked, and answers by itself.");
    },
  });
  return defineAgent({
    name: "shape",
    state: Annotation.Root({ any: Annotation<unknown>() }),
    tools: { read, put, pay },
    agents: { asked },
    graph: ({ tools, agents, human, clock }) =>
      shape({
        person: async (id) =>
          String((await human.ask({ question: id, pool: "finance", answer: z.object({ answer: z.number() }) })).answer),
        agent: async (id) => (await agents.asked.ask({ id })).id,
        sleep: async (id) => {
          await clock.sleep(SLEEP_MS);
          return id;
        },
        look: async (id) => (await tools.read({ id })).id,
        put: async (id) => (await tools.put({ id })).id,
        pay: async (id) => (await tools.pay({ id })).id,
      }),
    ...(pool === null ? {} : { interrupts: { pool } }),
  });
}

/** A run of a shape on an engine of its own. */
export class ShapeRun {
  readonly called: string[] = [];
  readonly engine: TestEngine;
  readonly compiled: CompiledAgent;
  readonly agent: AnyAgent;
  readonly run: string;

  constructor(agent: (called: string[]) => AnyAgent, options: EngineOptions & { readonly run?: string } = {}) {
    this.engine = new TestEngine({ say: holdPay, ...options, limits: { leaseMs: 0, ...options.limits } });
    this.agent = agent(this.called);
    this.compiled = this.engine.compile(this.agent);
    this.run = options.run ?? randomUUID();
  }

  async start(input: unknown): Promise<this> {
    await this.engine.journal.create(memoryRun(this.agent.name, encode(input), { run: this.run, session: this.run }));
    return this;
  }

  /** Until it has ended or waits for people. */
  async go(): Promise<RunStatus> {
    for (;;) {
      const status = await this.engine.attempt(this.compiled, this.run);
      if (status === "cut" || status === "ready") continue;
      if (status !== "parked" || !(await this.waits()).some(({ kind }) => kind === "timer")) return status;
      this.engine.skip(60_000);
    }
  }

  events(): Promise<JournalEvent[]> {
    return this.engine.events(this.run);
  }

  waits(): Promise<readonly Wait[]> {
    return this.engine.waits(this.run);
  }

  /** The questions that have been put and have no answer, in the order in which they were put. */
  async questions(): Promise<EventData<"effect_intended">[]> {
    const events = await this.events();
    const answered = new Set(events.flatMap((event) => (event.type === "effect_finished" ? [event.data.effect] : [])));
    return events.flatMap((event) =>
      event.type === "effect_intended" && event.data.kind === "human" && !answered.has(event.data.effect)
        ? [event.data]
        : [],
    );
  }

  async answer(question: EventData<"effect_intended"> | undefined, answer: JsonValue, id = "1"): Promise<boolean> {
    if (!question) throw new Error("Nothing is asked.");
    const { effect } = question;
    const data = { effect, answer, by: { kind: "person", id: "olga" } };
    const { delivered } = await this.engine.journal.deliver(this.run, {
      id: `answered:${effect}:${id}`,
      kind: "human",
      data,
    });
    return delivered;
  }

  /** Approves what is held (what says "no" is rejected), and answers what is asked by what `answers` says to the text, until the run has ended. */
  async finish(answers: (text: string) => JsonValue = (text) => `re ${text}`): Promise<RunStatus> {
    for (;;) {
      const status = await this.go();
      if (status !== "parked") return status;
      const held = await this.engine.held(this.run);
      const questions = await this.questions();
      if (held.length + questions.length === 0) throw new Error("It waits for nobody.");
      for (const one of held) {
        const { id } = one.input as { id: string };
        await this.engine.decide(this.run, one, id.endsWith("no") ? "reject" : "approve");
      }
      for (const one of questions) await this.answer(one, answers(textOf(one)));
    }
  }

  /** The asks of other agents that have no answer yet. */
  async asks(): Promise<Extract<Wait, { kind: "answer" }>[]> {
    return (await this.waits()).filter((wait) => wait.kind === "answer");
  }

  /** The agent that was asked answers with what it was asked. */
  async answerAsk({ effect, run }: Extract<Wait, { kind: "answer" }>): Promise<void> {
    const intended = (await this.events()).find(
      (event) => event.type === "effect_intended" && event.data.effect === effect,
    );
    if (intended?.type !== "effect_intended") throw new Error("Nothing was asked.");
    await this.engine.journal.deliver(this.run, {
      id: `answer:${effect}`,
      kind: "answer",
      data: { effect, outcome: { ok: true, value: intended.data.input }, child: { run, seq: 1, hash: "0" } },
    });
  }

  async output(): Promise<unknown> {
    const last = (await this.events()).at(-1);
    return last?.type === "run_finished" ? last.data.output : last?.data;
  }
}

export function textOf(question: EventData<"effect_intended">): string {
  return (question.input as { question: string }).question;
}

/** What must be the same in every run of one program, however it is interrupted; order is free among what runs at once. */
export function factsOf(events: readonly JournalEvent[]): Record<string, unknown> {
  const facts: Record<string, unknown> = {};
  const put = (key: string, value: unknown): void => {
    // Twice the same is once: but only if it is the same.
    if (key in facts && JSON.stringify(facts[key]) !== JSON.stringify(value)) throw new Error(`Two of ${key}.`);
    facts[key] = value;
  };
  const twice = new Set<string>();
  const once = (key: string): void => {
    if (twice.has(key)) throw new Error(`${key} is recorded twice.`);
    twice.add(key);
  };
  for (const event of events) {
    switch (event.type) {
      case "node_finished":
        once(`node ${event.data.node}`);
        put(`node ${event.data.node}`, event.data.update);
        break;
      case "route_taken":
        once(`route ${event.data.route}`);
        put(`route ${event.data.route}`, event.data.to);
        break;
      case "superstep_finished":
        once(`superstep ${event.data.graph}:${String(event.data.step)}`);
        put(`superstep ${event.data.graph}:${String(event.data.step)}`, event.data.channels);
        break;
      case "effect_recorded":
      case "effect_finished":
        once(`effect ${event.data.effect}`);
        put(`effect ${event.data.effect}`, event.data.outcome);
        break;
      case "effect_refused":
        put(`effect ${event.data.effect}`, "refused");
        break;
      case "run_finished":
      case "run_failed":
        put("end", event.data);
        break;
      default:
    }
  }
  return facts;
}

/** Runs a shape undisturbed, and then once for each append, dying at it; `check` compares what came of it. */
export async function cutEverywhere(
  shape: (world: World) => GraphBuilder | CompiledGraph,
  input: unknown,
  check: (undisturbed: ShapeRun, cut: ShapeRun, at: number) => Promise<void>,
  { answers, every = 1 }: { readonly answers?: (text: string) => JsonValue; readonly every?: number } = {},
): Promise<ShapeRun> {
  const run = randomUUID();
  const agent = (called: string[]): AnyAgent => shapeAgent(shape, { called });
  let appends = 0;
  const undisturbed = await new ShapeRun(agent, { run }).start(input);
  undisturbed.engine.memory.cut = () => {
    appends++;
    return false;
  };
  await undisturbed.finish(answers);
  for (let at = 1; at <= appends; at += every) {
    const cut = await new ShapeRun(agent, { run }).start(input);
    let append = 0;
    cut.engine.memory.cut = () => ++append === at;
    await cut.finish(answers);
    await check(undisturbed, cut, at);
  }
  return undisturbed;
}
