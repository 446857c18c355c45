import { connect } from "nats";
import { CallRefusedError, type AnyAgent } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { deferred } from "../../../runtime/core/deferred.ts";
import { startMessaging, type Messaging } from "../../support/messaging.ts";
import { dataOf, oneNodeAgent } from "../../support/one-node-agent.ts";
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

function deadLetters(agent: string): Promise<{ reason: string; detail: string; tries: number }[]> {
  return platform.database.query("select reason, detail, tries from dead_letters where agent = $1 order by died_at", [
    agent,
  ]);
}

/** An agent that sends what the test says, in order. */
function sender(name: string, to: AnyAgent, messages: readonly { n: number }[], key?: string): AnyAgent {
  return oneNodeAgent(
    name,
    async (_, { agents }) => {
      for (const message of messages) await agents["to"]?.send(message, key === undefined ? {} : { key });
      return {};
    },
    { agents: { to } },
  );
}

describe("a dead letter", () => {
  test("what an agent does not take - says why, is told on dead.>, and what comes after it goes on", async () => {
    const picky = oneNodeAgent("picky", ({ n }) => Promise.resolve({ got: n }), {
      on: "numbers",
      input: z.object({ n: z.number().positive() }),
    });
    const source = oneNodeAgent("source-of-picky", async (_, { messages }) => {
      await messages.publish("numbers", { n: -1 });
      await messages.publish("numbers", { n: 2 });
      return {};
    });
    const client = await connect({ servers: platform.nats.url });
    const told: string[] = [];
    client.subscribe("dead.>", {
      callback: (_, message) => {
        told.push(`${message.subject} ${message.headers?.get("Signalbox-Reason") ?? ""}`);
      },
    });
    await using _ = await platform.worker(config(picky, source));
    await platform.reach(await platform.start(config(picky, source), "source-of-picky", {}), "finished");
    await until(async () => (await runsOf("picky"))[0]?.status === "finished");
    expect(await deadLetters("picky")).toEqual([
      {
        reason: "invalid_input",
        detail: expect.stringContaining("does not fit the input of picky") as string,
        tries: 0,
      },
    ]);
    await until(() => told.length > 0);
    expect(told[0]).toBe("dead.picky invalid_input");
    expect(await runsOf("picky")).toHaveLength(1);
    await client.close();
  });

  test("what cannot be brought to anybody - is tried five times, and then what the sender sent next comes", async () => {
    const poisoned = oneNodeAgent("poisoned", ({ n }) => Promise.resolve({ got: n }), {
      on: "poison",
      input: z.object({ n: z.number() }).refine(({ n }) => {
        if (n === 1) throw new TypeError("I cannot even look at it.");
        return true;
      }),
    });
    const source = oneNodeAgent("source-of-poison", async (_, { messages }) => {
      for (const n of [1, 2]) await messages.publish("poison", { n }, { key: `k${String(n)}` });
      return {};
    });
    await using _ = await platform.worker(config(poisoned, source));
    await platform.reach(await platform.start(config(poisoned, source), "source-of-poison", {}), "finished");
    await until(async () => (await deadLetters("poisoned")).length > 0);
    expect(await deadLetters("poisoned")).toEqual([
      { reason: "too_many_tries", detail: "I cannot even look at it.", tries: 5 },
    ]);
    await until(async () => (await runsOf("poisoned"))[0]?.status === "finished");
  });

  test("a reply to a run that has ended - is one", async () => {
    const gate = deferred<undefined>();
    const late = oneNodeAgent("late", async (_, { messages }) => {
      await gate.promise;
      const opening = messages.opening();
      if (opening) await messages.reply(opening, { n: 1 });
      return {};
    });
    const gone = sender("gone", late, [{ n: 1 }]);
    await using _ = await platform.worker(config(late, gone));
    await platform.reach(await platform.start(config(late, gone), "gone", {}), "finished");
    gate.resolve(undefined);
    await until(async () => (await deadLetters("gone")).length > 0);
    expect(await deadLetters("gone")).toMatchObject([{ reason: "run_ended" }]);
  });

  test("a reply that its receiver never received - is one when the receiver ends", async () => {
    const quick = oneNodeAgent("quick-reply", async (_, { messages }) => {
      const opening = messages.opening();
      if (opening) await messages.reply(opening, { n: 1 });
      return {};
    });
    const gate = deferred<undefined>();
    const deaf = oneNodeAgent(
      "deaf-to-replies",
      async (_, { agents }) => {
        await agents["to"]?.send({ n: 1 });
        await gate.promise;
        return {};
      },
      { agents: { to: quick } },
    );
    await using _ = await platform.worker(config(quick, deaf));
    const run = await platform.start(config(quick, deaf), "deaf-to-replies", {});
    await until(async () => {
      const rows = await platform.database.query("select 1 from outbox where to_run = $1", [run]);
      return rows.length > 0;
    });
    gate.resolve(undefined);
    await platform.reach(run, "finished");
    expect(await deadLetters("deaf-to-replies")).toMatchObject([{ reason: "run_ended" }]);
  });
});

describe("back-pressure", () => {
  test("a full queue - makes whoever sends to it wait, and nobody else", async () => {
    const gate = deferred<undefined>();
    const got: number[] = [];
    const slow = oneNodeAgent(
      "slow",
      async ({ n }) => {
        await gate.promise;
        got.push(n);
        return {};
      },
      { queue: 3 },
    );
    const brisk = oneNodeAgent("brisk", ({ n }) => Promise.resolve({ got: n }));
    const messages = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => ({ n }));
    const toSlow = sender("to-slow", slow, messages, "k");
    const toBrisk = sender("to-brisk", brisk, messages, "k");
    const all = config(slow, brisk, toSlow, toBrisk);
    await using _ = await platform.worker(all);
    const waiting = await platform.start(all, "to-slow", {});
    const events = await platform.reach(waiting, "parked");
    const sent = dataOf(events, "message_sent").length;
    expect(sent).toBeLessThan(8);
    expect(events.at(-1)?.data).toMatchObject({ waits: [{ kind: "turn", of: "queue of slow" }] });
    await platform.reach(await platform.start(all, "to-brisk", {}), "finished");
    gate.resolve(undefined);
    await platform.reach(waiting, "finished");
    await until(() => got.length === 8);
    expect(got).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe("runaway delegation", () => {
  test("the messages of a session - are counted, however many of its runs send at once", async () => {
    const leaf = oneNodeAgent("leaf", ({ n }) => Promise.resolve({ got: n }));
    const branch = oneNodeAgent(
      "branch",
      async (_, { agents }) => {
        const asked = [1, 2, 3, 4].map(async (n) => agents["leaf"]?.ask({ n }));
        const settled = await Promise.allSettled(asked);
        return { got: settled.map((one) => (one.status === "fulfilled" ? "ok" : faultOf(one.reason))) };
      },
      { agents: { leaf } },
    );
    const root = oneNodeAgent(
      "root",
      async (_, { agents }) => ({
        got: (await Promise.all([1, 2, 3].map(async () => agents["branch"]?.ask({})))).map(
          (answer) => (answer as { got: unknown }).got,
        ),
      }),
      { agents: { branch } },
    );
    const all = config(root, branch, leaf);
    await using _one = await platform.worker(all, { limits: { maxMessages: 10 } });
    await using _two = await platform.worker(all, { limits: { maxMessages: 10 } });
    const run = await platform.start(all, "root", {});
    const events = await platform.reach(run, "finished");
    const [end] = dataOf(events, "run_finished");
    const said = (end?.output as { got: string[][] }).got.flat();
    expect(said.filter((one) => one === "ok")).toHaveLength(7);
    expect(said.filter((one) => one === "budget_exhausted")).toHaveLength(5);
    const [row] = await platform.database.query<{ n: number }>(
      "select count(*)::int as n from runs where session_id = $1",
      [run],
    );
    expect(row?.n).toBe(11);
  });

  test("agents that start each other by a topic - end at the limit of depth", async () => {
    const loop = oneNodeAgent(
      "loop",
      async ({ n }, { messages }) => {
        await messages.publish("loop", { n: n + 1 }, { key: `k${String(n)}` });
        return {};
      },
      { on: "loop" },
    );
    await using _ = await platform.worker(config(loop), { limits: { maxDepth: 4 } });
    await platform.start(config(loop), "loop", { n: 0 });
    await until(async () => (await runsOf("loop")).some(({ status }) => status === "failed"));
    const statuses = (await runsOf("loop")).map(({ status }) => status);
    expect(statuses).toEqual(["finished", "finished", "finished", "finished", "failed"]);
  });

  test("two runs that only reply to each other - end when what the first may send is used up", async () => {
    const echo = oneNodeAgent("echo", async (_, { messages }) => {
      let message = messages.opening();
      while (message) {
        await messages.reply(message, { n: 1 });
        message = await messages.receive({ timeoutMs: 5_000 });
      }
      return {};
    });
    const caller = oneNodeAgent(
      "echo-caller",
      async (_, { agents, messages }) => {
        await agents["echo"]?.send({ n: 1 }, { key: "k" });
        for (;;) await messages.reply(await messages.receive(), { n: 1 });
      },
      { agents: { echo } },
    );
    const all = config(echo, caller);
    await using _ = await platform.worker(all, { limits: { maxMessages: 6 } });
    const run = await platform.start(all, "echo-caller", {});
    await until(async () => (await runsOf("echo"))[0]?.status === "failed");
    const [answering] = await runsOf("echo");
    const events = await platform.journal.read(answering?.run ?? "");
    expect(dataOf(events, "effect_refused").map(({ verdict }) => verdict.fault)).toEqual(["budget_exhausted"]);
    // The first message left five.
    expect(dataOf(events, "message_sent")).toHaveLength(5);
    expect(dataOf(await platform.journal.read(run), "message_sent").length).toBeLessThanOrEqual(6);
  });
});

describe("a message to a run that waits", () => {
  test("while no worker runs - is there when one does, although NATS has forgotten it", async () => {
    const patient = oneNodeAgent("patient", async (_, { messages }) => ({ got: (await messages.receive()).body }), {
      on: "wishes",
    });
    const wisher = oneNodeAgent("wisher", async ({ n }, { messages }) => {
      await messages.publish("wishes", { n });
      return {};
    });
    const all = config(patient, wisher);
    {
      await using _ = await platform.worker(all);
      await platform.reach(await platform.start(all, "wisher", { n: 1 }), "finished");
      await until(async () => (await runsOf("patient"))[0]?.status === "parked");
    }
    {
      // Only the sender is there; what it publishes is lost with NATS.
      await using _ = await platform.worker(config(wisher));
      await platform.reach(await platform.start(all, "wisher", { n: 2 }), "finished");
    }
    const client = await connect({ servers: platform.nats.url });
    await (await client.jetstreamManager()).streams.purge("SIGNALBOX_MAIL");
    await client.close();
    await using _ = await platform.worker(all);
    const [run] = await runsOf("patient");
    const events = await platform.reach(run?.run ?? "", "finished");
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({ n: 1, got: { n: 2 } });
  });

  test("that is cancelled - starts the next run of its queue", async () => {
    const holder = oneNodeAgent("holder", async ({ n }, { messages }) => {
      if (n === 1) await messages.receive({ where: { n: 99 } });
      return { got: n };
    });
    const source = sender("source-of-holder", holder, [{ n: 1 }, { n: 2 }], "k");
    const all = config(holder, source);
    await using _ = await platform.worker(all);
    await platform.reach(await platform.start(all, "source-of-holder", {}), "finished");
    await until(async () => (await runsOf("holder"))[0]?.status === "parked");
    const [first] = await runsOf("holder");
    await platform.journal.deliver(first?.run ?? "", {
      id: "cancel",
      kind: "cancel",
      data: { by: { kind: "person", id: "olga" }, reason: "Enough." },
    });
    await until(async () => (await runsOf("holder")).map(({ status }) => status).join() === "cancelled,finished");
  });
});

function faultOf(error: unknown): string {
  return error instanceof CallRefusedError ? (error.verdict.fault ?? "refused") : String(error);
}
