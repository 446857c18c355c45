import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent } from "signalbox";
import { describe, expect, test } from "vitest";
import { deferred } from "../../../runtime/core/deferred.ts";
import type { NewEvent } from "../../../runtime/core/events.ts";
import type { Appended, AppendOptions, Claim, MailboxMessage, RunHead } from "../../../runtime/core/journal.ts";
import { Attempt } from "../../../runtime/engine/attempt.ts";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { claimant } from "../../support/journal.ts";
import { MemoryJournal } from "../../support/memory-journal.ts";
import { notingTools, oneNode } from "../../support/one-node.ts";

async function opened(engine: TestEngine, agent: Parameters<TestEngine["compile"]>[0]) {
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, {});
  const [claim] = (await engine.journal.claim([run], claimant("w"))) as [Claim];
  return { run, compiled, attempt: await Attempt.open(claim, engine.services, null) };
}

const stopping = new Error("The worker stops.");

/** As many turns as a graph of two nodes could take to come as far as a call. */
async function someTurns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("an attempt that is aborted", () => {
  test("while it reads its mailbox - begins no node", async () => {
    const reading = deferred<undefined>();
    const read = deferred<undefined>();
    class SlowMailbox extends MemoryJournal {
      override async mailbox(run: string): Promise<{ messages: readonly MailboxMessage[]; upTo: number }> {
        reading.resolve(undefined);
        await read.promise;
        return super.mailbox(run);
      }
    }
    const { called, pay } = notingTools();
    let begun = false;
    const agent = oneNode({ pay }, ({ tools }) => {
      begun = true;
      return tools.pay({ id: "p" });
    });
    const { compiled, attempt } = await opened(new TestEngine({ journal: new SlowMailbox() }), agent);
    const running = attempt.run(compiled);
    await reading.promise;
    attempt.abort(stopping);
    read.resolve(undefined);
    await expect(running).rejects.toBe(stopping);
    await someTurns();
    expect({ begun, called }).toEqual({ begun: false, called: [] });
  });

  test("while a branch function chooses - does not begin the node that it chooses", async () => {
    const { called, pay } = notingTools();
    const choosing = deferred<undefined>();
    const chosen = deferred<undefined>();
    const State = Annotation.Root({ done: Annotation<unknown>() });
    const agent = defineAgent({
      name: "branches",
      state: State,
      tools: { pay },
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode("a", () => ({}))
          .addNode("b", async () => ({ done: await tools.pay({ id: "p" }) }))
          .addEdge(START, "a")
          .addConditionalEdges(
            "a",
            async () => {
              choosing.resolve(undefined);
              await chosen.promise;
              return "b";
            },
            ["b"],
          )
          .addEdge("b", END),
    });
    const engine = new TestEngine();
    const { run, compiled, attempt } = await opened(engine, agent);
    const running = attempt.run(compiled);
    await choosing.promise;
    attempt.abort(stopping);
    await expect(running).rejects.toBe(stopping);
    chosen.resolve(undefined);
    await someTurns();
    expect(called).toEqual([]);
    expect(typesOf(await engine.events(run))).not.toContain("effect_intended");
  });

  test("while an intent is committed - does not make the call, and the next attempt does", async () => {
    class Noticing extends MemoryJournal {
      intended: () => void = () => undefined;
      override append(head: RunHead, events: readonly NewEvent[], options?: AppendOptions): Appended {
        const appended = super.append(head, events, options);
        if (events.some(({ type }) => type === "effect_intended")) this.intended();
        return appended;
      }
    }
    const { called, put } = notingTools();
    const journal = new Noticing();
    const engine = new TestEngine({ journal });
    const agent = oneNode({ put }, ({ tools }) => tools.put({ id: "p" }));
    const { run, compiled, attempt } = await opened(engine, agent);
    journal.intended = () => {
      attempt.abort(stopping);
    };
    await expect(attempt.run(compiled)).rejects.toBe(stopping);
    await someTurns();
    expect(called).toEqual([]);
    journal.intended = () => undefined;
    await engine.journal.release(attempt.head);
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(called).toEqual(["p"]);
  });
});
