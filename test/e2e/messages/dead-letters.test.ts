import { randomUUID } from "node:crypto";
import { connect, type NatsConnection } from "nats";
import { defineConfig, type AnyAgent, type SignalboxConfig } from "signalbox";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { SignedEnvelope } from "../../../runtime/core/bus.ts";
import { systemClock } from "../../../runtime/core/clock.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";
import type { DeadReason, Messages } from "../../../runtime/core/messages.ts";
import type {
  DeadLetterDetails,
  DeadLettersPage,
  DeadLetterView,
  Published,
  QuarantinedMessagesPage,
  QuarantinedMessageView,
} from "../../../runtime/core/messages-protocol.ts";
import type { ErrorBody, QueueView } from "../../../runtime/core/protocol.ts";
import { createMessages } from "../../../runtime/journal/messages.ts";
import type { Caller } from "../../support/console.ts";
import { codeOf } from "../../support/http.ts";
import { agentWith, dataOf } from "../../support/one-node-agents.ts";
import { startPlatformConsole, type PlatformConsole } from "../../support/platform-console.ts";
import { startTestPlatform, type TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

const UNKNOWN = "00000000-0000-4000-8000-000000000000";

/** Takes numbers and gives what it got from the run's queue, two at a time. */
const sums = (input?: z.ZodType<never>): AnyAgent =>
  agentWith(
    "sums",
    async ({ n }, { messages }) => ({ got: [n, ((await messages.receive()).body as { n: unknown }).n] }),
    { on: "numbers.>", ...(input ? { input } : {}) },
  );
const strict = sums(z.object({ n: z.number() }) as unknown as z.ZodType<never>);
const lenient = sums(z.object({ n: z.unknown() }) as unknown as z.ZodType<never>);
const clerk = agentWith("clerk", ({ n }) => Promise.resolve({ got: n }));
const boss = agentWith("boss", async ({ n }, { agents }) => ({ got: await agents["clerk"]?.ask({ n }) }), {
  agents: { clerk },
});
const sender = agentWith("sender", async ({ n }, { agents }) => ({ got: await agents["clerk"]?.send({ n }) }), {
  agents: { clerk },
});

let platform: TestPlatform;
let rules: URL;
let served: PlatformConsole;
let messages: Messages;
let nats: NatsConnection;
let olga: Caller;
let peter: Caller;
let vera: Caller;

const configOf = (...agents: AnyAgent[]): SignalboxConfig => defineConfig({ agents, rules: [rules] });

beforeAll(async () => {
  platform = await startTestPlatform();
  rules = await rulesFile(PERMIT_ALL);
  served = await startPlatformConsole(platform, configOf(strict, clerk, boss, sender));
  messages = createMessages({ database: platform.database, clock: systemClock, budget: 100 });
  nats = await connect({ servers: platform.nats.url });
  olga = await served.caller("olga", ["operator"]);
  peter = await served.caller("peter", ["operator"], { kind: "service" });
  vera = await served.caller("vera", ["viewer"]);
});
afterAll(async () => {
  await nats.close();
  await served[Symbol.asyncDispose]();
  await platform[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await platform.database.query(
    "update dead_letters set settled_at = clock_timestamp(), settlement = 'dropped' where settled_at is null",
  );
});

async function publish(topic: string, body: JsonValue): Promise<string> {
  const { messages: ids } = (await olga.post(`/api/topics/${topic}`, { body })).json() as Published;
  return ids[0] ?? "nobody";
}

async function list(query = ""): Promise<readonly DeadLetterView[]> {
  return ((await vera.get(`/api/dead-letters${query}`)).json() as DeadLettersPage).deadLetters;
}

/** The open dead letter of a message, once there is one. */
async function deadLetterOf(message: string): Promise<DeadLetterView> {
  let found: DeadLetterView | undefined;
  await until(async () => (found = (await list()).find((one) => one.message === message)) !== undefined);
  return found as DeadLetterView;
}

/** What a run of an agent has in the outbox for the clerk, and that nobody takes. */
async function unreceived(agent: string): Promise<SignedEnvelope> {
  const config = configOf(boss, sender, clerk);
  // This worker has the sender, and not whom it tells.
  await using _ = await platform.worker({ ...config, agents: config.agents.filter(({ name }) => name === agent) });
  const run = await platform.start(config, agent, { n: 1 });
  await platform.reach(run, agent === "boss" ? "parked" : "finished");
  const [row] = await platform.database.query<{ envelope: string }>("select envelope from outbox where from_run = $1", [
    run,
  ]);
  return JSON.parse(row?.envelope ?? "") as SignedEnvelope;
}

async function buried(message: SignedEnvelope, reason: DeadReason): Promise<DeadLetterView> {
  await messages.bury(message, reason, "It went wrong.");
  return deadLetterOf(message.envelope.id);
}

const act = (by: Caller, id: string, action: "redrive" | "drop") =>
  by.post(`/api/dead-letters/${id}/${action}`, { reason: "I looked." });

async function receivedBy(message: string): Promise<string> {
  let run: string | null | undefined;
  await until(async () => {
    const [row] = await platform.database.query<{ to_run: string | null }>(
      "select to_run from outbox where msg_id = $1 and taken_at is not null",
      [message],
    );
    run = row?.to_run;
    return typeof run === "string";
  });
  return run ?? "";
}

describe("a dead letter", () => {
  test("is listed with its reason and shown with what it says, to every role", async () => {
    await using _ = await platform.worker(configOf(strict));
    const message = await publish("numbers.list", { n: "seven" });
    const dead = await deadLetterOf(message);
    expect(dead).toMatchObject({
      agent: "sums",
      kind: "publish",
      from: "person:olga",
      run: null,
      topic: "numbers.list",
      key: "numbers.list",
      reason: "invalid_input",
      settled: null,
      cannotRedrive: null,
    });
    expect(dead.detail).toContain("n: Invalid input");
    expect(await list("?agent=clerk")).toEqual([]);
    expect(await list("?reason=forged")).toEqual([]);
    expect((await list("?agent=sums&reason=invalid_input")).map(({ message: id }) => id)).toEqual([message]);
    const shown = (await vera.get(`/api/dead-letters/${dead.deadLetter}`)).json() as DeadLetterDetails;
    expect(shown).toMatchObject({ ...dead, body: { n: "seven" }, startedBy: { kind: "person", id: "olga" } });
    const { queues } = (await vera.get("/api/queues")).json() as { queues: QueueView[] };
    expect(queues.find(({ agent }) => agent === "sums")).toMatchObject({ deadLetters: 1, messages: 0, lagMs: 0 });
    expect((await vera.get(`/api/dead-letters/${UNKNOWN}`)).status).toBe(404);
  });

  test("that is redriven is brought within a second, in its place in the order", async () => {
    const first = await platform.worker(configOf(strict));
    const bad = await publish("numbers.order", { n: "one" });
    const dead = await deadLetterOf(bad);
    await first.close();
    const later = await publish("numbers.order", { n: 2 });
    const answer = await act(peter, dead.deadLetter, "redrive");
    expect([answer.status, answer.json()]).toMatchObject([202, { settled: { as: "redriven", by: "peter" } }]);
    await using _ = await platform.worker(configOf(lenient));
    const run = await receivedBy(bad);
    const [finished] = dataOf(await platform.reach(run, "finished"), "run_finished");
    expect(finished?.output).toMatchObject({ got: ["one", 2] });
    expect(await receivedBy(later)).toBe(run);
    expect((await list("?all=true")).find(({ deadLetter }) => deadLetter === dead.deadLetter)?.settled).toMatchObject({
      as: "redriven",
      by: "peter",
      reason: "I looked.",
    });
  });

  test("that comes to nothing once more is a new one, and its tries are counted anew", async () => {
    const message = await unreceived("sender");
    await platform.database.query("update outbox set tries = 5 where msg_id = $1", [message.envelope.id]);
    const first = await buried(message, "too_many_tries");
    expect(first).toMatchObject({ kind: "send", from: "sender", tries: 5, run: message.envelope.run });
    expect((await act(olga, first.deadLetter, "redrive")).status).toBe(202);
    const [row] = await platform.database.query(
      "select tries, dead_at, received_at, resend_at <= clock_timestamp() as due from outbox where msg_id = $1",
      [message.envelope.id],
    );
    expect(row).toEqual({ tries: 0, dead_at: null, received_at: null, due: true });
    const second = await buried(message, "too_many_tries");
    expect(second.deadLetter).not.toBe(first.deadLetter);
    expect((await act(olga, second.deadLetter, "redrive")).status).toBe(202);
    await using _ = await platform.worker(configOf(clerk));
    await platform.reach(message.envelope.target ?? "", "finished");
    expect(await list()).toEqual([]);
  });

  test("that is older than its receiver's runs may take - is redriven to a run that has all its time", async () => {
    const quick = agentWith("quick", ({ n }) => Promise.resolve({ got: n }), { on: "quick.>", timeoutMs: 2_000 });
    await (await platform.worker(configOf(quick))).close();
    const message = await publish("quick.a", { n: 1 });
    const [row] = await platform.database.query<{ envelope: string }>("select envelope from outbox where msg_id = $1", [
      message,
    ]);
    const signed = JSON.parse(row?.envelope ?? "") as SignedEnvelope;
    const dead = await buried(signed, "too_many_tries");
    await until(() => Date.now() > signed.envelope.sentAt + 2_500);
    expect((await act(olga, dead.deadLetter, "redrive")).status).toBe(202);
    await using _ = await platform.worker(configOf(quick));
    await platform.reach(await receivedBy(message), "finished");
  });

  test.each([
    ["boss", "too_many_tries", "has been told"],
    ["sender", "run_ended", "has ended"],
    ["sender", "forged", "nobody knows who wrote it"],
  ] as const)("of %s that died of %s - cannot be redriven, and can be dropped", async (agent, reason, says) => {
    const message = await unreceived(agent);
    const dead = await buried(message, reason);
    expect(dead.cannotRedrive).toContain(says);
    const refused = await act(olga, dead.deadLetter, "redrive");
    expect([refused.status, codeOf(refused)]).toEqual([409, "NOT_REDRIVABLE"]);
    expect((refused.json() as ErrorBody).error.message).toBe(dead.cannotRedrive);
    expect((await deadLetterOf(message.envelope.id)).settled).toBeNull();
    expect((await act(olga, dead.deadLetter, "drop")).json()).toMatchObject({ settled: { as: "dropped" } });
    const [row] = await platform.database.query<{ dead: boolean }>(
      "select dead_at is not null as dead from outbox where msg_id = $1",
      [message.envelope.id],
    );
    expect(row?.dead).toBe(true);
  });

  test("that two people act on at once - is settled once, and the second learns by whom", async () => {
    for (let round = 0; round < 5; round++) {
      const dead = await buried(await unreceived("sender"), "too_many_tries");
      const answers = await Promise.all([act(olga, dead.deadLetter, "redrive"), act(peter, dead.deadLetter, "drop")]);
      const [late] = answers.filter(({ status }) => status === 409);
      expect(answers.map(({ status }) => status).filter((status) => status < 300)).toHaveLength(1);
      if (!late) throw new Error("Both were first.");
      expect(codeOf(late)).toBe("DEAD_LETTER_SETTLED");
      const [settled] = (await list("?all=true")).filter(({ deadLetter }) => deadLetter === dead.deadLetter);
      expect(late.text).toContain(`${settled?.settled?.by ?? "?"} has ${settled?.settled?.as ?? "?"}`);
      const [row] = await platform.database.query<{ dead: boolean }>(
        "select dead_at is not null as dead from outbox where msg_id = $1",
        [dead.message],
      );
      expect(row?.dead).toBe(settled?.settled?.as === "dropped");
    }
  });

  test("is acted on by operators alone, with a reason", async () => {
    const dead = await buried(await unreceived("sender"), "too_many_tries");
    for (const action of ["redrive", "drop"] as const) {
      const refused = await act(vera, dead.deadLetter, action);
      expect([refused.status, codeOf(refused)]).toEqual([403, "FORBIDDEN"]);
      expect((await olga.post(`/api/dead-letters/${dead.deadLetter}/${action}`, { reason: "" })).status).toBe(400);
      expect((await olga.post(`/api/dead-letters/${dead.deadLetter}/${action}`, { reason: " " })).status).toBe(400);
      expect((await act(olga, UNKNOWN, action)).status).toBe(404);
    }
    expect(await list()).toHaveLength(1);
  });

  test("is listed on one page only, oldest first, however many there are", async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push((await buried(await unreceived("sender"), "too_many_tries")).deadLetter);
    const seen: string[] = [];
    let next: string | null = null;
    do {
      const query: string = next === null ? "?limit=2" : `?limit=2&after=${next}`;
      const page = (await vera.get(`/api/dead-letters${query}`)).json() as DeadLettersPage;
      seen.push(...page.deadLetters.map(({ deadLetter }) => deadLetter));
      // What is settled between two pages moves nothing.
      await act(olga, (seen.length === 2 ? seen[0] : seen.at(-1)) ?? "", "drop");
      next = page.next;
    } while (next !== null);
    expect(seen).toEqual(ids);
  });
});

describe("a quarantined message", () => {
  const list = async (query = ""): Promise<readonly QuarantinedMessageView[]> =>
    ((await vera.get(`/api/quarantined-messages${query}`)).json() as QuarantinedMessagesPage).messages;

  /** Something that nobody believes, and that can be told from everything else. */
  async function send(text = `{"envelope":{"v":1},"hello":"${randomUUID()}"}`): Promise<string> {
    await nats.jetstream().publish("mail.clerk", text);
    return text;
  }

  async function found(text: string): Promise<QuarantinedMessageView> {
    let one: QuarantinedMessageView | undefined;
    await until(async () => (one = (await list()).find((each) => each.text === text)) !== undefined);
    return one as QuarantinedMessageView;
  }

  test("is listed until an operator has looked at it, and again when it comes again", async () => {
    await using _ = await platform.worker(configOf(clerk));
    const text = await send();
    const seen = await found(text);
    expect(seen).toMatchObject({ reason: "unsigned", subject: "mail.clerk", bytes: text.length, times: 1 });
    const path = `/api/quarantined-messages/${seen.quarantined}/dismiss`;
    const refused = await vera.post(path, { reason: "A probe." });
    expect([refused.status, codeOf(refused)]).toEqual([403, "FORBIDDEN"]);
    expect((await olga.post(path, { reason: " " })).status).toBe(400);
    const answers = await Promise.all([olga, peter].map((by) => by.post(path, { reason: "A probe." })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    const late = answers.find(({ status }) => status === 409);
    expect(late && codeOf(late)).toBe("ALREADY_DISMISSED");
    expect((await list()).map(({ quarantined }) => quarantined)).not.toContain(seen.quarantined);
    const all = await list("?all=true");
    expect(all.find(({ quarantined }) => quarantined === seen.quarantined)?.dismissed).toMatchObject({
      reason: "A probe.",
    });
    await send(text);
    expect(await found(text)).toMatchObject({ quarantined: seen.quarantined, times: 2, dismissed: null });
    expect((await olga.post(`/api/quarantined-messages/${UNKNOWN}/dismiss`, { reason: "x" })).status).toBe(404);
  });
});
