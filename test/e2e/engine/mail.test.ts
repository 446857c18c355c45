import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { SignedEnvelope } from "../../../runtime/core/bus.ts";
import { deferred } from "../../../runtime/core/deferred.ts";
import { answerOf, AskingAgents, askOnce } from "../../support/asking-agents.ts";
import type { TestPlatform } from "../../support/platform.ts";
import { until } from "../../support/processes.ts";

let asking: AskingAgents;
let platform: TestPlatform;

beforeAll(async () => {
  asking = await AskingAgents.start();
  ({ platform } = asking);
});
afterAll(() => asking[Symbol.asyncDispose]());
beforeEach(() => {
  asking.mail.splice(0);
});

describe("the mail", () => {
  test("sent twice and delivered twice - starts one run and gives one answer", async () => {
    asking.calls.splice(0);
    const gate = deferred<undefined>();
    asking.answering = () => gate.promise;
    const project = asking.config(asking.asker(askOnce));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "twice" });
    await until(() => asking.calls.includes("twice"));
    const again = (signed: SignedEnvelope | undefined): void => {
      if (signed) asking.client.publish(`mail.${signed.envelope.to}`, JSON.stringify(signed));
    };
    for (let i = 0; i < 3; i++) again(asking.mail[0]);
    gate.resolve(undefined);
    asking.answering = () => undefined;
    const events = await platform.reach(run, "finished");
    const answer = asking.mail.find(({ envelope }) => envelope.kind === "answer");
    for (let i = 0; i < 3; i++) again(answer);
    await until(async () => (await pending("SIGNALBOX_MAIL")) === 0);
    expect(asking.calls.filter((text) => text === "twice")).toHaveLength(1);
    expect(await asking.children(run)).toHaveLength(1);
    expect(await platform.journal.read(run)).toEqual(events);
  });

  test("forged, altered, unsigned, misdirected or malformed - is set aside and changes nothing", async () => {
    const project = asking.config(asking.asker(askOnce));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "real" });
    await platform.reach(run, "finished");
    const [ask, answer] = asking.mail;
    if (!ask || !answer) throw new Error("No mail was seen.");
    const before = await platform.database.query("select run_id, head_seq, mailbox_seq from runs order by run_id");
    const other = "3f8a1e0c-4f7e-4f0a-9d2e-0a4b8c1d2e3f";
    const forged: unknown[] = [
      { ...ask, envelope: { ...ask.envelope, target: other } },
      { ...ask, envelope: { ...ask.envelope, startedBy: { kind: "person", id: "mallory" }, target: other } },
      { ...ask, worker: "worker-of-mallory" },
      { ...ask, signature: "AAAA" },
      { envelope: { ...ask.envelope, target: other } },
      { ...answer, envelope: { ...answer.envelope, body: { ok: true, value: { n: 1_000_000 } } } },
      {},
      [],
      null,
      { ...ask, envelope: { ...ask.envelope, sentAt: -0 } },
      { ...ask, envelope: { ...ask.envelope, body: "\ud800" } },
    ];
    for (const message of forged)
      asking.client.publish("mail.assessor", JSON.stringify(message).replace('"sentAt":0', '"sentAt":-0'));
    asking.client.publish("mail.assessor", "this is no JSON");
    asking.client.publish("mail.assessor", "[".repeat(100_000) + "]".repeat(100_000));
    // Genuine, and on the wrong subject.
    asking.client.publish("mail.asker", JSON.stringify(ask));
    asking.client.publish("work.asker", "no list");
    asking.client.publish("work.asker", JSON.stringify(["no-run-id"]));
    await until(async () => (await pending("SIGNALBOX_MAIL")) === 0 && (await pending("SIGNALBOX_WORK")) === 0);
    expect(await platform.database.query("select run_id, head_seq, mailbox_seq from runs order by run_id")).toEqual(
      before,
    );
    // And the mail still works.
    const next = await platform.start(project, "asker", { text: "real" });
    expect(answerOf(await platform.reach(next, "finished"))).toBe(4);
  });

  test("NATS killed and its data wiped in mid-ask - the answer still arrives exactly once", async () => {
    asking.calls.splice(0);
    const gate = deferred<undefined>();
    asking.answering = () => gate.promise;
    const project = asking.config(asking.asker(askOnce));
    await using _worker = await platform.worker(project);
    const run = await platform.start(project, "asker", { text: "wiped" });
    await until(() => asking.calls.includes("wiped"));
    await platform.nats.stop("SIGKILL");
    await platform.nats.wipe();
    gate.resolve(undefined);
    asking.answering = () => undefined;
    const [child] = await asking.children(run);
    await platform.reach(child ?? "", "finished");
    await platform.nats.start();
    const events = await platform.reach(run, "finished");
    expect(answerOf(events)).toBe(5);
    expect(events.filter(({ type }) => type === "effect_finished")).toHaveLength(1);
    expect(asking.calls.filter((text) => text === "wiped")).toHaveLength(1);
    expect(await asking.children(run)).toEqual([child]);
  });

  test("NATS down while an agent asks - the message is sent when it is back, with nothing of its own left", async () => {
    asking.calls.splice(0);
    const project = asking.config(asking.asker(askOnce));
    await using _worker = await platform.worker(project);
    await platform.nats.stop("SIGKILL");
    const run = await platform.start(project, "asker", { text: "later" });
    await platform.reach(run, "parked");
    await platform.nats.wipe();
    await platform.nats.start();
    expect(answerOf(await platform.reach(run, "finished"))).toBe(5);
    expect(asking.calls.filter((text) => text === "later")).toHaveLength(1);
  });
});

/** How many messages a stream still holds: handled ones are gone. */
async function pending(stream: "SIGNALBOX_MAIL" | "SIGNALBOX_WORK"): Promise<number> {
  const manager = await asking.client.jetstreamManager();
  return (await manager.streams.info(stream)).state.messages;
}
