import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineTool, type AnyAgent } from "signalbox";
import { z } from "zod";
import type { JournalEvent } from "../../runtime/core/events.ts";
import { HELD, type Say } from "./engine.ts";

/** The payment at the end waits for a person. */
export const holdThePayment: Say = (call) => (call.action === "pay" && !call.approval.satisfied ? HELD : undefined);

/** What a worker of the long agent says when the node that waited runs. */
export const RUNS_AGAIN = "the node that waited runs";

/** A node of a long run that ran, and did not come from the record. */
export interface Ran {
  readonly step: number;
  /** What it was given, in one number: how long its log was. */
  readonly length: number;
}

/**
 * An agent that makes so many supersteps, each with a call and 100 bytes that are appended to its log, and pays in
 * the end.
 */
export function longAgent(supersteps: number, ran: (node: Ran) => void = () => undefined): AnyAgent {
  const State = Annotation.Root({
    n: Annotation<number>(),
    log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }),
    receipt: Annotation<string>(),
  });
  const io = z.object({ id: z.string() });
  const read = defineTool({ name: "read", effect: "read", input: io, output: io, run: (input) => input });
  const pay = defineTool({ name: "pay", effect: "irreversible", input: io, output: io, run: (input) => input });
  return defineAgent({
    name: "long",
    // Several processes run it.
    version: "1",
    state: State,
    tools: { read, pay },
    graph: ({ tools }) =>
      new StateGraph(State)
        .addNode("work", async ({ n, log }) => {
          ran({ step: n, length: log.length });
          const { id } = await tools.read({ id: String(n) });
          return { n: n + 1, log: [id.padStart(100, "x")] };
        })
        .addNode("pay", async ({ n, log }) => {
          ran({ step: n, length: log.length });
          return { receipt: (await tools.pay({ id: String(log.length) })).id };
        })
        .addEdge(START, "work")
        .addConditionalEdges("work", ({ n }) => (n < supersteps ? "work" : "pay"), ["work", "pay"])
        .addEdge("pay", END),
  });
}

/** The bytes of the events of each superstep of a run's own graph, as they are stored; what names snapshots apart. */
export function bytesPerSuperstep(events: readonly JournalEvent[]): number[] {
  const bytes: number[] = [];
  let sum = 0;
  for (const event of events) {
    if (event.type === "snapshot_taken") continue;
    // How long something took is written with more digits at one time than at another.
    sum += Buffer.byteLength(JSON.stringify(event.data, (key, value: unknown) => (key === "ms" ? 0 : value)));
    if (event.type !== "superstep_finished" || event.data.graph !== "") continue;
    bytes.push(sum);
    sum = 0;
  }
  return bytes;
}
