import { defineAgent, type Message, type ReceiveOptions } from "signalbox";
import { describe, expect, test } from "vitest";
import { END, START, StateGraph } from "@langchain/langgraph";
import { encode } from "../../../runtime/engine/codec.ts";
import { TestEngine, typesOf } from "../../support/engine.ts";
import { messageTo } from "../../support/memory-messages.ts";
import { dataOf } from "../../support/one-node-agent.ts";
import { oneNode } from "../../support/one-node.ts";
import { outputOf, peer, PeerState, tellings, withPeer, type PeerHandles } from "../../support/with-peer.ts";

describe("a receive", () => {
  test("that loses a race - is dropped when the node ends, and the message stays for the next one", async () => {
    const engine = new TestEngine();
    const got: unknown[] = [];
    const agent = oneNode({}, async ({ messages, clock }) => {
      got.push(await Promise.race([messages.receive({ from: "nobody" }), clock.sleep(100).then(() => "slept")]));
      return "done";
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.runOn(compiled, run)).toBe("finished");
    expect(got.at(-1)).toBe("slept");
    const events = await engine.events(run);
    expect(dataOf(events, "effect_finished").map(({ via }) => via)).toEqual(["timer", "withdrawn"]);
  });

  test("asked for twice at the same time - gives each its own message, in the order of the asking", async () => {
    const engine = new TestEngine();
    const agent = oneNode({}, ({ messages }) =>
      Promise.all([messages.receive(), messages.receive()].map(async (message) => (await message).body)),
    );
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    engine.leave(run, messageTo(run, { body: "first" }));
    expect(await engine.attempt(compiled, run)).toBe("parked");
    engine.leave(run, messageTo(run, { body: "second" }));
    expect(await engine.attempt(compiled, run)).toBe("finished");
    expect(outputOf(await engine.events(run))).toEqual(["first", "second"]);
  });

  test("while the run parks - is not slept through", async () => {
    const engine = new TestEngine();
    const agent = oneNode({}, async ({ messages }) => (await messages.receive()).body);
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    engine.memory.cut = (events) => {
      // Just before the park reaches the journal.
      if (events.some(({ type }) => type === "run_parked")) {
        engine.memory.cut = () => false;
        engine.leave(run, messageTo(run, { body: "now" }));
      }
      return false;
    };
    expect(await engine.attempt(compiled, run)).toBe("ready");
    expect(await engine.attempt(compiled, run)).toBe("finished");
    expect(outputOf(await engine.events(run))).toBe("now");
  });

  test("of a message that its sender's worker did not sign - does not take it", async () => {
    const engine = new TestEngine();
    const agent = oneNode({}, async ({ messages }) => (await messages.receive({ timeoutMs: 0 })) ?? "nothing");
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    const signed = engine.mailer.sign(messageTo(run));
    engine.messages.leave(run, { ...signed, envelope: { ...signed.envelope, body: "altered" } });
    engine.messages.leave(run, engine.mailer.sign(messageTo(run, { from: "somebody-else" })));
    expect(await engine.attempt(compiled, run)).toBe("finished");
    expect(outputOf(await engine.events(run))).toBe("nothing");
  });

  test("with the labels of what it took - hands them on with everything that is sent from then on", async () => {
    const engine = new TestEngine();
    const agent = withPeer(async ({ agents, messages }) => {
      await agents.peer.send({ n: 1 });
      await messages.receive();
      await agents.peer.send({ n: 2 });
      await messages.receive({ from: "nobody" });
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {}, { labels: ["personal"] });
    engine.leave(run, messageTo(run, { labels: ["untrusted"] }));
    await engine.attempt(compiled, run);
    expect(engine.messages.sent.map(({ labels }) => labels)).toEqual([["personal"], ["personal", "untrusted"]]);
  });
});

describe("an answer with labels", () => {
  test("hands them on with what is sent right after it, in the same attempt", async () => {
    const engine = new TestEngine();
    const agent = withPeer(async ({ agents }) => {
      await agents.peer.ask({ n: 1 });
      await agents.peer.send({ n: 2 });
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    const [asked] = engine.messages.sent;
    if (!asked) throw new Error("Nobody was asked.");
    const data = {
      effect: asked.effect,
      outcome: { ok: true, value: {} },
      child: { run: asked.target ?? "", seq: 2, hash: "00" },
      labels: ["untrusted"],
    };
    await engine.journal.deliver(run, { id: "a", kind: "answer", data });
    expect(await engine.attempt(compiled, run)).toBe("finished");
    expect(engine.messages.sent.map(({ labels }) => labels)).toEqual([[], ["untrusted"]]);
  });
});

describe("what a receive takes", () => {
  const takes = async (body: unknown, options: ReceiveOptions): Promise<boolean> => {
    const engine = new TestEngine();
    const agent = oneNode({}, async ({ messages }) => (await messages.receive({ ...options, timeoutMs: 0 })) !== null);
    const run = await engine.create(agent, {});
    engine.leave(run, messageTo(run, { body: encode(body), topic: "news.sport" }));
    expect(await engine.attempt(engine.compile(agent), run)).toBe("finished");
    return outputOf(await engine.events(run)) === true;
  };

  test.each([
    ["fields as they were sent", { $type: "offer", n: 1 }, { where: { $type: "offer", n: 1 } }, true],
    ["fields whose order differs", { a: { x: 1, y: 2 } }, { where: { a: { y: 2, x: 1 } } }, true],
    ["a field that is not its own", {}, { where: { toString: 1 } }, false],
    ["one of several", { n: 2 }, { any: [{ where: { n: 1 } }, { topic: "news.*" }] }, true],
    ["none of several", { n: 2 }, { any: [{ where: { n: 1 } }, { topic: "weather" }] }, false],
    ["one of several, and not the rest", { n: 2 }, { from: "other", any: [{ topic: "news.>" }] }, false],
  ] as const)("%s", async (_, body, options, taken) => {
    expect(await takes(body, options)).toBe(taken);
  });

  test.each([
    ["a field that there is not", { frm: "peer" }, "frm"],
    ["a field that there is not, in any", { any: [{ form: "peer" }] }, "form"],
    ["a value of another type", { key: 7 }, "key"],
    ["a topic that is none", { topic: "news..sport" }, "news..sport"],
    ["less than no time", { timeoutMs: -1 }, "-1"],
  ])("%s - is refused, and no message is taken", async (_, options, named) => {
    const engine = new TestEngine();
    const agent = oneNode({}, async ({ messages }) => (await messages.receive(options as { timeoutMs: number }))?.id);
    const run = await engine.create(agent, {});
    engine.leave(run, messageTo(run));
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    const events = await engine.events(run);
    expect(dataOf(events, "message_received")).toEqual([]);
    expect(events.at(-1)?.data).toMatchObject({
      error: { code: "INVALID_ARGUMENTS", message: expect.stringContaining(named) as string },
    });
  });

  test("with no time to wait - never parks", async () => {
    for (let n = 0; n < 20; n++) expect(await takes({}, { from: "nobody" })).toBe(false);
  });
});

describe("sent at the same time in one attempt", () => {
  test("as many as the budget allows - are sent, exactly, and the attempt goes on", async () => {
    const engine = new TestEngine();
    engine.messages.budget = 7;
    const agent = withPeer(async ({ agents }) => {
      const sends = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => agents.peer.send({ n })));
      return sends.filter(({ status }) => status === "fulfilled").length;
    });
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("finished");
    expect(outputOf(await engine.events(run))).toBe(7);
    expect(engine.messages.sent).toHaveLength(7);
  });
});

describe("a node that is tried again", () => {
  test("after the first answer was taken - does not ask the others once more", async () => {
    const engine = new TestEngine();
    let failures = 0;
    const agent = defineAgent({
      name: "one-node",
      state: PeerState,
      agents: { peer, other: peer },
      graph: ({ askAll }) =>
        new StateGraph(PeerState)
          .addNode(
            "node",
            async () => {
              const { agent: winner } = await askAll(
                { peer: { n: 1 }, other: { n: 2, text: "silent" } },
                { wait: "first" },
              );
              if (failures++ === 0) throw new Error("once");
              return { output: winner };
            },
            { retryPolicy: { maxAttempts: 2, initialInterval: 1, retryOn: () => true } },
          )
          .addEdge(START, "node")
          .addEdge("node", END),
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    await tellings(engine, run)[0]?.tell();
    while ((await engine.attempt(compiled, run)) !== "finished") engine.skip(1_000);
    expect(outputOf(await engine.events(run))).toBe("peer");
    expect(engine.messages.sent.map(({ body }) => (body as { n: number }).n)).toEqual([1, 2]);
  });
});

describe("a message that may not be sent", () => {
  test("because no rule permits it - is refused, and nothing leaves", async () => {
    const engine = new TestEngine({ say: ({ action }) => (action === "agent.ask" ? undefined : { decision: "deny" }) });
    const refused: unknown[] = [];
    const agent = withPeer(async ({ agents, messages }) => {
      const message: Message = { ...messageShown(), run: "6c1f8f5e-0000-4000-8000-000000000000" };
      for (const send of [
        () => agents.peer.send({ n: 1 }),
        () => messages.publish("news", { n: 1 }),
        () => messages.reply(message, {}),
      ]) {
        await send().catch((error: unknown) => refused.push((error as { code: string }).code));
      }
    });
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("finished");
    expect(refused).toEqual(["CALL_REFUSED", "CALL_REFUSED", "CALL_REFUSED"]);
    expect(engine.messages.sent).toEqual([]);
    expect(typesOf(await engine.events(run))).not.toContain("message_sent");
  });

  test.each([
    ["a topic with spaces", (handles: PeerHandles) => handles.messages.publish("no topic", 1)],
    ["a pattern", (handles: PeerHandles) => handles.messages.publish("news.>", 1)],
    ["an empty key", (handles: PeerHandles) => handles.agents.peer.send({ n: 1 }, { key: "" })],
    ["what is no JSON", (handles: PeerHandles) => handles.messages.publish("news", new Map())],
    ["a reply to the outside", (handles: PeerHandles) => handles.messages.reply(messageShown(), {})],
    ["an agent that it does not list", (handles: PeerHandles) => handles.askAll({ nobody: {} } as never)],
    ["a time that is none", (handles: PeerHandles) => handles.messages.receive({ timeoutMs: -1 })],
  ])("%s - says what to do, and nothing leaves", async (_, send) => {
    const engine = new TestEngine();
    const agent = withPeer(async (handles) => send(handles));
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ error: { code: "INVALID_ARGUMENTS" } });
    expect(engine.messages.sent).toEqual([]);
  });
});

describe("askAll", () => {
  test("of which the first answer is taken - leaves the others withdrawn, wherever they had got to", async () => {
    const engine = new TestEngine({
      say: ({ input }) =>
        (input as { text?: string }).text === "held"
          ? { decision: "require_approval", approval: { pool: "finance", approvers: 1, ttlMs: 60_000 } }
          : undefined,
    });
    const agent = withPeer(async ({ askAll, clock }) => {
      const { agent: winner } = await askAll({ other: { text: "held" }, peer: { n: 1 } }, { wait: "first" });
      await clock.sleep(60_000);
      return winner;
    });
    const compiled = engine.compile(agent);
    const run = await engine.create(agent, {});
    expect(await engine.attempt(compiled, run)).toBe("parked");
    await tellings(engine, run)[0]?.tell();
    expect(await engine.attempt(compiled, run)).toBe("parked");
    const [held] = dataOf(await engine.events(run), "effect_held");
    expect(engine.memory.views).toContainEqual({ view: "approval_voided", approval: held?.approval });
    engine.skip(60_001);
    expect(await engine.attempt(compiled, run)).toBe("finished");
    expect(outputOf(await engine.events(run))).toBe("peer");
  });

  test("of which all fail - fails", async () => {
    const engine = new TestEngine({ say: () => ({ decision: "deny" }) });
    const agent = withPeer(({ askAll }) => askAll({ peer: { n: 1 }, other: { n: 2 } }, { wait: "first" }));
    const run = await engine.create(agent, {});
    expect(await engine.attempt(engine.compile(agent), run)).toBe("failed");
    expect((await engine.events(run)).at(-1)?.data).toMatchObject({ error: { code: "CALL_REFUSED" } });
  });
});

function messageShown(): Message {
  return {
    id: "0f0e0d0c-0000-4000-8000-000000000000",
    kind: "publish",
    from: "person:ada",
    run: null,
    topic: "news",
    key: "news",
    re: null,
    sentAt: 1,
    labels: [],
    body: {},
  };
}
