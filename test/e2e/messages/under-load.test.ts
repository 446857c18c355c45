import { CallRefusedError, type Message } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { deferred } from "../../../runtime/core/deferred.ts";
import { startMessaging, type Messaging } from "../../support/messaging.ts";
import { dataOf, oneNodeAgent } from "../../support/one-node-agent.ts";
import type { TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";

const MESSAGES = 80;

let platform: TestPlatform;
let config: Messaging["config"];
let runsOf: Messaging["runsOf"];

beforeAll(async () => {
  ({ platform, config, runsOf } = await startMessaging());
});
afterAll(async () => {
  await platform[Symbol.asyncDispose]();
});

describe("a receiver that was away", () => {
  test("is brought what one run has sent it, all of it and in order, in a time that grows with its number", async () => {
    const got: number[] = [];
    const away = oneNodeAgent("away", ({ n }) => {
      got.push(n);
      return Promise.resolve({});
    });
    const sender = oneNodeAgent(
      "to-away",
      async (_, { agents }) => {
        for (let n = 0; n < MESSAGES; n++) await agents["away"]?.send({ n }, { key: "k" });
        return {};
      },
      { agents: { away } },
    );
    const all = config(away, sender);
    // A worker that has the sender's agent alone.
    const senders = config(sender, away);
    const gate = await platform.worker({ ...senders, agents: [sender] });
    await platform.reach(await platform.start(senders, "to-away", {}), "finished");
    await gate.close();
    const statements = async (): Promise<number> => {
      const [row] = await platform.database.query<{ n: number }>(
        "select (xact_commit + xact_rollback)::int as n from pg_stat_database where datname = current_database()",
      );
      return row?.n ?? 0;
    };
    const before = await statements();
    await using _ = await platform.worker(all);
    await until(() => got.length === MESSAGES);
    expect(got).toEqual(Array.from({ length: MESSAGES }, (_, n) => n));
    // Each message's arrival, its run and that run's events; were each to bring all before it, it would be many times so.
    expect((await statements()) - before).toBeLessThan(MESSAGES * 60);
  });
});

describe("a queue", () => {
  test("that one node sends to at the same time - is not filled beyond its bound", async () => {
    const gate = deferred<undefined>();
    const slow = oneNodeAgent("slow", () => gate.promise.then(() => ({})), { queue: 5 });
    const burst = oneNodeAgent(
      "burst",
      async (_, { agents }) => {
        await Promise.all(Array.from({ length: 20 }, async (_, n) => agents["slow"]?.send({ n }, { key: "k" })));
        return {};
      },
      { agents: { slow } },
    );
    await using _ = await platform.worker(config(slow, burst));
    const run = await platform.start(config(slow, burst), "burst", {});
    const events = await platform.reach(run, "parked");
    // One of them has started the run that does not go on.
    expect(dataOf(events, "message_sent").length).toBeLessThanOrEqual(6);
    gate.resolve(undefined);
    await platform.reach(run, "finished");
    await until(async () => (await runsOf("slow")).filter(({ status }) => status === "finished").length === 20);
  });

  test("whose run waits for something else - does not wake it for each message", async () => {
    const choosy = oneNodeAgent("choosy", async (_, { messages }) => ({
      got: (await messages.receive({ where: { n: 10 } })).body,
    }));
    const sender = oneNodeAgent(
      "to-choosy",
      async ({ n, got }, { agents }) => {
        for (let i = n; i <= Number(got); i++) await agents["choosy"]?.send({ n: i }, { key: "k" });
        return {};
      },
      { agents: { choosy } },
    );
    const all = config(choosy, sender);
    await using _ = await platform.worker(all);
    const send = async (n: number, got: number): Promise<void> => {
      await platform.reach(await platform.start(all, "to-choosy", { n, got }), "finished");
    };
    await send(0, 0);
    await until(async () => (await runsOf("choosy"))[0]?.status === "parked");
    const [first] = await runsOf("choosy");
    const run = first?.run ?? "";
    await send(1, 9);
    await until(async () => {
      const [row] = await platform.database.query<{ n: number }>(
        "select count(*)::int as n from outbox where to_run = $1 and kind = 'send' and taken_at is null",
        [run],
      );
      return row?.n === 9;
    });
    await send(10, 10);
    const events = await platform.reach(run, "finished");
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({ n: 0, got: { n: 10 } });
    expect(dataOf(events, "attempt_started")).toHaveLength(2);
  });

  test("of a run that has its input from a publisher - takes nothing that does not fit the agent's input", async () => {
    const got: unknown[] = [];
    const strict = oneNodeAgent(
      "strict",
      async ({ n }, { messages }) => {
        got.push(n);
        for (;;) {
          const message = await messages.receive({ timeoutMs: 1_000 });
          if (message === null) return {};
          if (!got.includes((message.body as { n: number }).n)) got.push((message.body as { n: number }).n);
        }
      },
      { on: "strict", input: z.object({ n: z.coerce.number().positive() }) },
    );
    const publisher = oneNodeAgent("strict-publisher", async (_, { messages }) => {
      for (const n of ["1", -1, "2"]) await messages.publish("strict", { n });
      return {};
    });
    await using _ = await platform.worker(config(strict, publisher));
    await platform.reach(await platform.start(config(strict, publisher), "strict-publisher", {}), "finished");
    await until(async () => (await runsOf("strict"))[0]?.status === "finished");
    expect([...new Set(got)]).toEqual([1, 2]);
    expect(await platform.database.query("select reason from dead_letters where agent = 'strict'")).toEqual([
      { reason: "invalid_input" },
    ]);
  });

  test("whose run a poor session has started - answers a rich one all the same", async () => {
    const service = oneNodeAgent("service", async (_, { messages }) => {
      for (let message: Message | null = messages.opening(); message;) {
        await messages.reply(message, { ok: true });
        message = await messages.receive({ timeoutMs: 2_000 });
      }
      return {};
    });
    const caller = oneNodeAgent(
      "caller",
      async ({ n }, { agents, messages }) => {
        // Spends what it may send, but for the last.
        for (let i = 1; i < n; i++) await messages.publish("nobody", { i });
        for (let i = 1; i < n; i++) await agents["waste"]?.send({ n: i });
        const sent = await agents["service"]?.send({ n }, { key: "k" });
        return { got: (await messages.receive({ re: sent?.id ?? "" })).body };
      },
      { agents: { service, waste: oneNodeAgent("waste", () => Promise.resolve({})) } },
    );
    const waste = oneNodeAgent("waste", () => Promise.resolve({}));
    const all = config(service, caller, waste);
    await using _ = await platform.worker(all, { limits: { maxMessages: 5 } });
    const poor = await platform.start(all, "caller", { n: 4 });
    await platform.reach(poor, "finished");
    const rich = await platform.start(all, "caller", { n: 1 });
    await platform.reach(rich, "finished");
    const more = await platform.start(all, "caller", { n: 1 });
    await platform.reach(more, "finished");
  });
});

describe("a listener", () => {
  test("that no worker has had for a week - gets nothing more, and holds nobody up", async () => {
    const retired = oneNodeAgent("retired", () => Promise.resolve({}), { on: "old.news", queue: 1 });
    const reader = oneNodeAgent("reader", () => Promise.resolve({}), { on: "old.news" });
    const publisher = oneNodeAgent("old-publisher", async (_, { messages }) => ({
      got: [await messages.publish("old.news", { n: 1 }), await messages.publish("old.news", { n: 2 })],
    }));
    {
      await using _ = await platform.worker(config(retired));
    }
    await platform.database.query(
      "update listeners set seen_at = clock_timestamp() - interval '8 days' where agent = 'retired'",
    );
    await using _ = await platform.worker(config(reader, publisher));
    const events = await platform.reach(
      await platform.start(config(reader, publisher), "old-publisher", {}),
      "finished",
    );
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({
      got: [{ receivers: ["reader"] }, { receivers: ["reader"] }],
    });
  });
});

describe("a reply", () => {
  test("to what the run has not received - is refused, whoever it names", async () => {
    const victim = oneNodeAgent("victim", async (_, { messages }) => ({
      got: await messages.receive({ timeoutMs: 1_500 }),
    }));
    const friend = oneNodeAgent("friend", () => Promise.resolve({}));
    const forger = oneNodeAgent("forger", async ({ text }, { messages }) => {
      const message = {
        id: text,
        from: "friend",
        run: text,
        kind: "send",
        topic: null,
        key: null,
        re: null,
        sentAt: 1,
        labels: [],
        body: null,
      } as const;
      const refused = await messages.reply(message, { pay: 1 }).catch((error: unknown) => error);
      return { got: refused instanceof CallRefusedError ? refused.verdict.fault : String(refused) };
    });
    const all = config(victim, friend, forger);
    await using _ = await platform.worker(all);
    const run = await platform.start(all, "victim", {});
    const events = await platform.reach(await platform.start(all, "forger", { text: run }), "finished");
    expect(dataOf(events, "run_finished")[0]?.output).toMatchObject({ got: "not_received" });
    expect(dataOf(await platform.reach(run, "finished"), "run_finished")[0]?.output).toMatchObject({ got: null });
    const odd = await platform.reach(await platform.start(all, "forger", { text: "no-run" }), "finished");
    expect(JSON.stringify(dataOf(odd, "run_finished")[0]?.output)).toContain("is no message");
  });
});
