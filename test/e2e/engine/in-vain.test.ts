import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig, defineTool } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { answerQuestion, listQuestions } from "../../../runtime/approvals/questions.ts";
import { deliverIn } from "../../../runtime/journal/deliver.ts";
import { oneNode } from "../../support/one-node.ts";
import { OLGA, startTestPlatform, type TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

let platform: TestPlatform;
let permitAll: URL;
beforeAll(async () => {
  platform = await startTestPlatform();
  permitAll = await rulesFile(PERMIT_ALL);
});
afterAll(() => platform[Symbol.asyncDispose]());

const asks = (question: string, name: string) =>
  oneNode({}, ({ human }) => human.ask({ question, pool: "finance", answer: z.object({ yes: z.boolean() }) }), name);

describe("a run whose attempts all end early", () => {
  test("is tried ever more rarely, and goes on when it can", async () => {
    const config = defineConfig({ agents: [asks("May I?", "stuck")], rules: [permitAll] });
    // No attempt can record its question, nor what came with it.
    await platform.database.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not today'; end $$`,
    );
    await platform.database.query(
      "create trigger refuse before insert on questions for each row execute function refuse()",
    );
    await using _worker = await platform.worker(config);
    const run = await platform.start(config, "stuck", {});
    const dueInMs = async (): Promise<number> => {
      const [row] = await platform.database.query<{ ms: number | null }>(
        `select (extract(epoch from ready_at - clock_timestamp()) * 1000)::float8 as ms
         from runs where run_id = $1 and status = 'ready'`,
        [run],
      );
      return row?.ms ?? 0;
    };
    // The third failure in a row puts it off for four seconds.
    await until(async () => (await dueInMs()) > 2_500);
    const [row] = await platform.database.query<{ epoch: number }>("select epoch from runs where run_id = $1", [run]);
    // One of them may have recorded its first superstep, which is not nothing: then the count begins again.
    expect(row?.epoch).toBeGreaterThanOrEqual(3);
    expect(row?.epoch).toBeLessThanOrEqual(6);
    await platform.database.query("drop trigger refuse on questions");
    await platform.database.query("update runs set ready_at = clock_timestamp() where run_id = $1", [run]);
    await platform.reach(run, "parked");
  });
});

describe("U+0000", () => {
  test("in what an agent asks, where it asks it and what it remembers - stops no run, and people can decide", async () => {
    const held = `${PERMIT_ALL}
@id("hold") @effect("require_approval") @approvers("1") @pool("finance") @ttl("PT1H") @reason("Look.")
forbid (principal, action == Action::"memory.remember", resource) unless { context.approval.satisfied };
@id("look") @effect("require_approval") @approvers("1") @pool("finance") @ttl("PT1H") @reason("Look.")
forbid (principal, action == Action::"pay.do", resource) unless { context.approval.satisfied };`;
    const remembers = oneNode(
      {},
      ({ memory }) =>
        memory.remember({ namespace: "a\u0000b", text: "t" }).then(
          () => "remembered",
          () => "not remembered",
        ),
      "remembers",
    );
    const pay = defineTool({
      name: "pay.do",
      effect: "irreversible",
      input: z.object({}),
      output: z.string(),
      run: () => "paid",
    });
    const State = Annotation.Root({ output: Annotation<string>() });
    const node = "p\u0000y";
    const pays = defineAgent({
      name: "pays",
      state: State,
      tools: { pay },
      graph: ({ tools }) =>
        new StateGraph(State)
          .addNode(node, async () => ({ output: await tools.pay({}) }))
          .addEdge(START, node)
          .addEdge(node, END),
    });
    const config = defineConfig({
      agents: [asks("What is \u0000 this?", "asks"), remembers, pays],
      rules: [await rulesFile(held)],
    });
    await using _worker = await platform.worker(config);
    const runs = await Promise.all(["asks", "remembers", "pays"].map((agent) => platform.start(config, agent, {})));
    for (const run of runs) {
      await platform.reach(run, "parked");
      for (const approval of await platform.pending(run)) await platform.decide(approval, "approve");
    }
    const question = (await listQuestions(platform.database, { status: "open", limit: 1_000 })).questions.find(
      ({ run }) => run === runs[0],
    );
    expect(question?.text).toBe("What is \uFFFD this?");
    await answerQuestion({ database: platform.database, deliver: deliverIn }, OLGA, {
      question: question?.question ?? "",
      answer: { yes: true },
    });
    const outputs = await Promise.all(
      runs.map(async (run) => JSON.stringify((await platform.reach(run, "finished")).at(-1)?.data)),
    );
    expect(outputs[0]).toContain(`"yes":true`);
    // The memory store refuses such a namespace itself.
    expect(outputs[1]).toContain("not remembered");
    expect(outputs[2]).toContain("paid");
  });

  test("in a start key - is refused, and nothing is started", async () => {
    const config = defineConfig({ agents: [asks("May I?", "keyed")], rules: [permitAll] });
    await expect(platform.start(config, "keyed", {}, "k\u0000")).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });
});
