import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { connect, type NatsConnection } from "nats";
import { defineAgent, defineConfig, defineTool, type AnyAgent, type SignalboxConfig } from "signalbox";
import { z } from "zod";
import type { SignedEnvelope } from "../../runtime/core/bus.ts";
import type { JournalEvent } from "../../runtime/core/events.ts";
import { startTestPlatform, type TestPlatform } from "./platform.ts";
import { PERMIT_ALL, rulesFile } from "./rules-file.ts";

const Answers = Annotation.Root({ text: Annotation<string>(), n: Annotation<number>(), extra: Annotation<unknown>() });
export const Asks = Annotation.Root({
  text: Annotation<string>(),
  n: Annotation<number>(),
  answer: Annotation<unknown>(),
});

type Ask = (input: { text: string; extra?: unknown }) => Promise<{ n: number; extra: unknown }>;
export type AskBody = (ask: Ask, state: { text: string; n: number }) => Promise<unknown>;

export const askOnce: AskBody = async (ask, { text }) => (await ask({ text })).n;

/** A platform with an agent that answers, agents that ask it, and what anybody on the bus can see of that. */
export class AskingAgents implements AsyncDisposable {
  readonly platform: TestPlatform;
  /** Nothing but NATS. */
  readonly client: NatsConnection;
  readonly mail: SignedEnvelope[] = [];
  /** What the assessor has thought about. */
  readonly calls: string[] = [];
  /** What it thinks. */
  answering: (text: string) => unknown = () => undefined;
  readonly assessor;
  readonly #rules: readonly URL[];

  private constructor(platform: TestPlatform, client: NatsConnection, rules: readonly URL[]) {
    this.platform = platform;
    this.client = client;
    this.#rules = rules;
    const think = defineTool({
      name: "think",
      effect: "idempotent",
      input: z.object({ text: z.string() }),
      output: z.any(),
      run: async ({ text }) => {
        this.calls.push(text);
        return (await this.answering(text)) ?? null;
      },
    });
    this.assessor = defineAgent({
      name: "assessor",
      state: Answers,
      tools: { think },
      graph: ({ tools }) =>
        new StateGraph(Answers)
          .addNode("think", async ({ text }) => ({ extra: (await tools.think({ text })) as unknown, n: text.length }))
          .addEdge(START, "think")
          .addEdge("think", END),
    });
    client.subscribe("mail.>", {
      callback: (_, message) => {
        try {
          this.mail.push(message.json<SignedEnvelope>());
        } catch {
          // Some tests send what is no JSON.
        }
      },
    });
  }

  static async start(): Promise<AskingAgents> {
    const platform = await startTestPlatform();
    const client = await connect({ servers: platform.nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    return new AskingAgents(platform, client, [await rulesFile(PERMIT_ALL)]);
  }

  /** An agent that asks the assessor, in the way that the test says. */
  asker(body: AskBody, name = "asker") {
    return defineAgent({
      name,
      state: Asks,
      agents: { assessor: this.assessor },
      graph: ({ agents }) =>
        new StateGraph(Asks)
          .addNode("ask", async ({ text, n }) => ({
            answer: await body((input) => agents.assessor.ask(input), { text, n }),
          }))
          .addEdge(START, "ask")
          .addEdge("ask", END),
    });
  }

  /** These agents and the assessor, and rules that permit everything. */
  config(...agents: AnyAgent[]): SignalboxConfig {
    return defineConfig({ agents: [...agents, this.assessor], rules: this.#rules });
  }

  /** The runs that a run has asked. */
  async children(run: string): Promise<string[]> {
    const rows = await this.platform.database.query<{ run_id: string }>(
      "select run_id from runs where parent_id = $1 order by run_id",
      [run],
    );
    return rows.map((row) => row.run_id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.platform[Symbol.asyncDispose]();
  }
}

export function answerOf(events: readonly JournalEvent[]): unknown {
  const last = events.at(-1);
  if (last?.type !== "run_finished") throw new Error(JSON.stringify(last?.data));
  return (last.data.output as { answer: unknown }).answer;
}
