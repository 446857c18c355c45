import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { startMessaging, type Messaging } from "../../support/messaging.ts";
import { dataOf, oneNodeAgent as oneNode } from "../../support/one-node-agent.ts";
import type { TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";

let platform: TestPlatform;
let config: Messaging["config"];
let runsOf: Messaging["runsOf"];

beforeAll(async () => {
  ({ platform, config, runsOf } = await startMessaging());
});
afterAll(async () => {
  await platform[Symbol.asyncDispose]();
});

describe("send", () => {
  test("without a key - starts a run in the same session that answers nobody", async () => {
    const clerk = oneNode("clerk", ({ n }) => Promise.resolve({ n: n + 1 }));
    const boss = oneNode("boss", async ({ n }, { agents }) => ({ got: await agents["clerk"]?.send({ n }) }), {
      agents: { clerk },
    });
    await using _ = await platform.worker(config(boss, clerk));
    const run = await platform.start(config(boss, clerk), "boss", { n: 1 });
    const events = await platform.reach(run, "finished");
    const [sent] = dataOf(events, "message_sent");
    expect(sent).toMatchObject({ kind: "send", from: "boss", to: "clerk", subject: "mail.clerk" });
    const started = await platform.reach(sent?.run ?? "", "finished");
    expect(dataOf(started, "run_started")).toMatchObject([
      { session: run, depth: 1, input: { n: 1 }, message: { message: sent?.message, from: "boss", kind: "send" } },
    ]);
    expect(dataOf(started, "message_sent")).toEqual([]);
  });

  test("with a key - one run takes the messages in order, and what it leaves starts the next", async () => {
    const seen: number[][] = [];
    const collector = oneNode("collector", async ({ n }, { messages }) => {
      const got = [n];
      while (got.length < 3) got.push(((await messages.receive()).body as { n: number }).n);
      seen.push(got);
      return { got };
    });
    const source = oneNode(
      "source",
      async (_, { agents }) => {
        for (let n = 1; n <= 6; n++) await agents["collector"]?.send({ n }, { key: "k" });
        return {};
      },
      { agents: { collector } },
    );
    await using _ = await platform.worker(config(source, collector));
    await platform.reach(await platform.start(config(source, collector), "source", {}), "finished");
    await until(async () => (await runsOf("collector")).filter(({ status }) => status === "finished").length === 2);
    expect(seen).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const [first] = await runsOf("collector");
    const events = await platform.journal.read(first?.run ?? "");
    expect(dataOf(events, "message_received")).toHaveLength(2);
    expect(dataOf(events, "message_received")[0]).toMatchObject({ from: "source", to: "collector", key: "k" });
    expect(first?.session).toBe(first?.run);
  });
});

describe("publish", () => {
  test("reaches every agent that listens, one run a topic and key, linked to its cause", async () => {
    const trucks = oneNode("trucks", ({ n }) => Promise.resolve({ got: n }), { on: "sensors.cold-chain.>" });
    const audit = oneNode("all-sensors", ({ n }) => Promise.resolve({ got: n }), { on: ["sensors.*.*", "x"] });
    const deaf = oneNode("deaf", () => Promise.resolve({}), { on: "sensors.heat.>" });
    const sensor = oneNode("sensor", async (_, { messages }) => ({
      got: [
        await messages.publish("sensors.cold-chain.truck-7", { n: 7 }),
        await messages.publish("nobody.listens", { n: 7 }),
      ],
    }));
    const all = config(trucks, audit, deaf, sensor);
    await using _ = await platform.worker(all);
    const run = await platform.start(all, "sensor", {});
    const events = await platform.reach(run, "finished");
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({
      got: [{ receivers: ["all-sensors", "trucks"] }, { receivers: [] }],
    });
    await until(async () => (await runsOf("trucks"))[0]?.status === "finished");
    await until(async () => (await runsOf("all-sensors"))[0]?.status === "finished");
    const [truck] = await runsOf("trucks");
    const [started] = dataOf(await platform.journal.read(truck?.run ?? ""), "run_started");
    const [sent] = events.filter((event) => event.type === "message_sent" && event.data.to === "trucks");
    expect(started).toMatchObject({
      session: truck?.run,
      cause: { run, seq: sent?.seq, hash: sent?.hash },
      message: { topic: "sensors.cold-chain.truck-7", key: "sensors.cold-chain.truck-7" },
    });
    expect(await runsOf("deaf")).toEqual([]);
  });
});

describe("receive", () => {
  test("takes what fits and leaves the rest, and a reply finds its way", async () => {
    const helper = oneNode("helper", async (_, { messages }) => {
      const opening = messages.opening();
      if (!opening) throw new Error("It was started by a message.");
      await messages.reply(opening, { color: "red" });
      await messages.reply(opening, { color: "blue" });
      return {};
    });
    const caller = oneNode(
      "caller",
      async (_, { agents, messages }) => {
        const sent = await agents["helper"]?.send({ n: 1 });
        const blue = await messages.receive({ where: { color: "blue" }, body: z.object({ color: z.string() }) });
        const red = await messages.receive({ re: sent?.id ?? "" });
        return { got: [blue.body, red.body, red.from] };
      },
      { agents: { helper } },
    );
    await using _ = await platform.worker(config(caller, helper));
    const run = await platform.start(config(caller, helper), "caller", {});
    const events = await platform.reach(run, "finished");
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({
      got: [{ color: "blue" }, { color: "red" }, "helper"],
    });
  });

  test("with a timeout - gives null when the time is over", async () => {
    const patient = oneNode("patient", async (_, { messages }) => ({
      got: await messages.receive({ timeoutMs: 300 }),
    }));
    await using _ = await platform.worker(config(patient));
    const events = await platform.reach(await platform.start(config(patient), "patient", {}), "finished");
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({ got: null });
    expect(dataOf(events, "effect_finished")).toMatchObject([{ via: "timer" }]);
  });
});

describe("askAll", () => {
  const even = oneNode("even", ({ n }) => Promise.resolve({ n: n * 2 }));
  const stuck = oneNode("stuck", async (_, { messages }) => ({ got: await messages.receive() }));

  test("all - gives the answers by name", async () => {
    const asker = oneNode("asks-all", async ({ n }, { askAll }) => ({ got: await askAll({ a: { n }, b: { n: 5 } }) }), {
      agents: { a: even, b: even },
    });
    await using _ = await platform.worker(config(asker, even));
    const events = await platform.reach(await platform.start(config(asker, even), "asks-all", { n: 1 }), "finished");
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({ got: { a: { n: 2 }, b: { n: 10 } } });
  });

  test("first - takes one answer and cancels the others", async () => {
    const asker = oneNode(
      "asks-first",
      async ({ n }, { askAll, clock }) => {
        const got = await askAll({ slow: {}, quick: { n } }, { wait: "first" });
        await clock.sleep(1_500);
        return { got };
      },
      { agents: { slow: stuck, quick: even } },
    );
    await using _ = await platform.worker(config(asker, even, stuck));
    const run = await platform.start(config(asker, even, stuck), "asks-first", { n: 4 });
    const events = await platform.reach(run, "finished");
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({ got: { agent: "quick", answer: { n: 8 } } });
    const ends = dataOf(events, "effect_finished").map(({ via }) => via);
    expect(ends).toEqual(["answer", "withdrawn", "timer"]);
    const [other] = await runsOf("stuck");
    await platform.reach(other?.run ?? "", "cancelled");
  });
});
