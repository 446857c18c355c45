import { connect } from "nats";
import { defineConfig, type SignalboxConfig } from "signalbox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { createPeople } from "../../../runtime/people/index.ts";
import type { DeadLettersPage, Published, QuarantinedMessagesPage } from "../../../runtime/core/messages-protocol.ts";
import { signalbox, type CliResult } from "../../support/cli.ts";
import { agentWith } from "../../support/one-node-agents.ts";
import { startTestPlatform, type TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

const counts = agentWith("counts", async ({ n }, { messages }) => ({ got: [n, await messages.receive()] }), {
  on: "numbers.>",
  input: z.object({ n: z.number() }) as unknown as z.ZodType<never>,
});

let platform: TestPlatform;
let config: SignalboxConfig;
let cli: (...args: string[]) => Promise<CliResult>;
let asVera: (...args: string[]) => Promise<CliResult>;

beforeAll(async () => {
  platform = await startTestPlatform();
  config = defineConfig({ agents: [counts], rules: [await rulesFile(PERMIT_ALL)] });
  const people = createPeople({ database: platform.database });
  const as = async (name: string, roles: readonly ["operator"] | readonly ["viewer"]) => {
    await people.addUser({ name, roles, kind: "person" });
    const { secret } = await people.createToken({ user: name, name: "cli", expiresInMs: 3_600_000 });
    const env = { DATABASE_URL: platform.databaseUrl, NATS_URL: platform.nats.url, SIGNALBOX_TOKEN: secret };
    return (...args: string[]) => signalbox(args, { env });
  };
  cli = await as("olga", ["operator"]);
  asVera = await as("vera", ["viewer"]);
  await platform.worker(config);
});
afterAll(() => platform[Symbol.asyncDispose]());

async function json<T>(...args: string[]): Promise<T> {
  const { stdout, stderr, code } = await cli("--json", ...args);
  expect([stderr, code]).toEqual(["", 0]);
  return JSON.parse(stdout) as T;
}

/** The open dead letters, oldest first, once there are so many. */
async function openDeadLetters(count: number): Promise<string[]> {
  let rows: { id: string }[] = [];
  await until(async () => {
    rows = await platform.database.query("select id from dead_letters where settled_at is null order by died_at, id");
    return rows.length === count;
  });
  return rows.map(({ id }) => id);
}

test("publish and topics - reach the agents that listen, and the run that is started says who published", async () => {
  expect((await cli("topics")).stdout).toMatch(/AGENT +TOPIC\ncounts +numbers\.>\n/);
  expect((await asVera("publish", "numbers.a", '{"n":1}')).stderr).toContain("[FORBIDDEN]");
  expect((await cli("publish", "numbers.a", "1", "--key", "")).code).toBe(2);
  const publish = ["publish", "numbers.a", '{"n":1}', "--key", "k", "--id", "one"];
  expect((await cli(...publish)).stdout).toBe("Published on numbers.a, to counts.\n");
  expect((await cli(...publish)).stdout).toContain("under this id before, to counts");
  let run = "";
  await until(async () => {
    const [row] = await platform.database.query<{ run_id: string }>("select run_id from runs where status = 'parked'");
    run = row?.run_id ?? "";
    return run !== "";
  });
  expect((await cli("runs", "ls")).stdout).toMatch(new RegExp(`${run} +counts +1 +parked +olga +k +`));
  expect((await cli("sessions", "show", run)).stdout).toContain(
    "started by olga, with a message from person:olga on numbers.a with the key k at ",
  );
});

test("messages dead and queues - show what came to nothing; an operator redrives what is chosen, or drops it", async () => {
  await json<Published>("publish", "numbers.bad", '{"n":"x"}', "--label", "eu");
  await json<Published>("publish", "numbers.bad", '{"n":"y"}');
  const before = await openDeadLetters(2);
  const { stdout } = await cli("queues");
  expect(stdout).toMatch(/AGENT +READY +RUNNING +WAITING +QUARANTINED +MESSAGES +LIMIT +DEAD +LAG +VERSIONS/);
  expect(stdout).toMatch(/counts +0 +0 +1 +0 +0 +1000 +2 +0\.0 s +1\n/);
  const { deadLetters } = await json<DeadLettersPage>("messages", "dead", "--agent", "counts");
  expect(deadLetters.map(({ deadLetter }) => deadLetter)).toEqual(before);
  expect((await cli("messages", "dead", "show", before[0] ?? "")).stdout).toContain('"n": "x"');
  expect((await cli("messages", "dead", "redrive", "--reason", "x")).stderr).toContain("--all");
  const redrive = ["messages", "dead", "redrive", "--reason", "The agent takes words now."];
  expect((await cli(...redrive, "--all", "--reason-code", "forged")).stdout).toBe("Redriven: 0.\n");
  const all = await json(...redrive, "--all", "--agent", "counts", "--reason-code", "invalid_input");
  expect(all).toEqual({ redriven: before, refused: [] });
  // It does not take them after all: each is a dead letter once more.
  await until(async () => (await openDeadLetters(2)).every((id) => !before.includes(id)));
  const [again = "", other = ""] = await openDeadLetters(2);
  expect((await cli("messages", "dead", "drop", again, "--reason", "A test.")).stdout).toContain("Dropped.");
  const mixed = await cli(...redrive, again, other);
  expect(mixed.stdout).toContain("Redriven: 1.");
  expect(mixed.stdout).toContain("olga has dropped");
  expect(mixed.stdout).toContain("[DEAD_LETTER_SETTLED]");
  expect(mixed.code).toBe(3);
});

test("messages quarantine - shows hostile text so that a terminal does nothing with it", async () => {
  const hostile = '\u001b[2J\u001b]0;owned\u0007\u202e{"x":1}\nnot a line of ours';
  const connection = await connect({ servers: platform.nats.url });
  await connection.jetstream().publish("mail.counts", hostile);
  await connection.close();
  await until(async () => (await platform.database.query("select 1 from quarantined_messages")).length > 0);
  const { stdout } = await cli("messages", "quarantine", "ls");
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  expect(stdout).not.toMatch(/^not a line of ours/m);
  expect(stdout).toContain("\\u001b[2J");
  const [seen] = (await json<QuarantinedMessagesPage>("messages", "quarantine")).messages;
  expect(seen?.text).toBe(hostile);
  const dismiss = ["messages", "quarantine", "dismiss", seen?.quarantined ?? "", "--reason", "A probe."];
  expect((await cli(...dismiss)).stdout).toContain("Dismissed.");
  expect((await cli(...dismiss)).stderr).toContain("[ALREADY_DISMISSED]");
});

test("topics forget - is refused while a worker has the agent", async () => {
  const forget = ["topics", "forget", "counts", "--reason", "Retired."];
  expect((await cli(...forget)).stderr).toContain("[LISTENER_THERE]");
  await platform.database.query("insert into listeners (agent, topics, queue) values ('gone', '{numbers.>}', 10)");
  expect((await cli("topics")).stdout).toContain("gone");
  expect((await cli("topics", "forget", "gone", "--reason", "Retired.")).stdout).toContain(
    "Nothing is published to gone",
  );
  expect((await cli("topics", "ls")).stdout).not.toContain("gone");
});
