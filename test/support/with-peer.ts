import { defineAgent, type AnyAgent, type Handles } from "signalbox";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import type { JournalEvent } from "../../runtime/core/events.ts";
import type { TestEngine } from "./engine.ts";
import { messageTo } from "./memory-messages.ts";
import { dataOf, oneNodeAgent } from "./one-node-agent.ts";

/** Whom the agents of these tests may reach. */
export const peer = oneNodeAgent("peer", () => Promise.resolve({}));

export type PeerHandles = Handles<Record<string, never>, { readonly peer: typeof peer; readonly other: typeof peer }>;

export const PeerState = Annotation.Root({ input: Annotation<unknown>(), output: Annotation<unknown>() });

/** An agent with one node that may reach the agent "peer". */
export function withPeer(body: (handles: PeerHandles) => Promise<unknown>): AnyAgent {
  return defineAgent({
    name: "one-node",
    state: PeerState,
    agents: { peer, other: peer },
    graph: (handles) =>
      new StateGraph(PeerState)
        .addNode("node", async () => ({ output: await body(handles as unknown as PeerHandles) }))
        .addEdge(START, "node")
        .addEdge("node", END),
  });
}

export function outputOf(events: readonly JournalEvent[]): unknown {
  const [end] = dataOf(events, "run_finished");
  return (end?.output as { output: unknown } | undefined)?.output;
}

interface Told {
  readonly kind: "reply" | "answer";
  readonly key: string;
  readonly tell: () => Promise<void>;
}

/** What the world has to say to what the run has sent so far. */
export function tellings(engine: TestEngine, run: string): Told[] {
  return engine.messages.sent.flatMap((sent): Told[] => {
    const body = sent.body as { n?: number; text?: string };
    if (sent.kind === "send") {
      const tell = (): Promise<void> => {
        engine.leave(run, messageTo(run, { re: sent.id, body: { n: (body.n ?? 0) * 10 } }));
        return Promise.resolve();
      };
      return [{ kind: "reply", key: sent.id, tell }];
    }
    if (sent.kind !== "ask" || body.text === "silent") return [];
    const child = { run: sent.target ?? "", seq: 2, hash: "00" };
    const outcome = { ok: true, value: { n: (body.n ?? 0) + 100 } };
    const tell = async (): Promise<void> => {
      await engine.journal.deliver(run, {
        id: `a:${sent.id}`,
        kind: "answer",
        data: { effect: sent.effect, outcome, child },
      });
    };
    return [{ kind: "answer", key: sent.id, tell }];
  });
}
