import { describe, expect, it } from "vitest";
import {
  callName,
  describeEntry,
  questionOf,
  type EffectEntry,
  type Entry,
} from "../../../console/web/session/entries.ts";
import { startedWords } from "../../../console/web/ui/words.ts";
import { indexSession } from "../../../console/web/session/session-index.ts";
import { CLAIMS, claimsWorld } from "../../support/console-fixture-claims.ts";
import { askPeople, goOn, VISIT } from "../../support/console-fixture-question.ts";
import type { FixtureSession } from "../../support/console-fixture-journal.ts";

const world = claimsWorld(1_700_000_000_000);

function session(claimId: string): FixtureSession {
  const found = world.sessions.find((each) => each.key === claimId);
  if (found === undefined) throw new Error(`There is no session of ${claimId}.`);
  return found;
}

function entriesOf(written: FixtureSession, position = Infinity): Entry[] {
  const index = indexSession(written.events);
  return index.groups.flatMap((group) => describeEntry(group, index, position) ?? []);
}

function payout(entries: readonly Entry[]): EffectEntry {
  const found = entries.find((entry) => entry.kind === "effect" && entry.proposal.name === "payments.payout");
  if (found?.kind !== "effect") throw new Error("There is no call of payments.payout.");
  return found;
}

describe("what a call is called", () => {
  it.each([
    ["tool", "payments.payout:customers", "payments.payout:customers"],
    ["ask", "agent.ask:fraud", "ask fraud"],
    ["send", "agent.send:ledger", "send to ledger"],
    ["send", "agent.reply:claims", "reply to claims"],
    ["publish", "topic.publish:news.today", "publish on news.today"],
    ["receive", "messages.receive", "messages.receive"],
    ["human", "human.ask:ops", "question to ops"],
    ["memory", "memory.recall:claims", "memory.recall in claims"],
  ] as const)("%s %s is %s", (kind, name, words) => {
    expect(callName({ proposal: { kind, name } })).toBe(words);
  });
});

describe("what a run was started by", () => {
  const STARTED = {
    type: "run_started",
    input: {},
    version: undefined,
    askedBy: undefined,
    message: undefined,
  } as const;
  const startedBy = { kind: "person", id: "olga" } as const;

  it("is a person, an agent that asks, or a message", () => {
    expect(startedWords({ ...STARTED, startedBy })).toBe("started by olga");
    expect(startedWords({ ...STARTED, startedBy, askedBy: "claims" })).toBe("asked by claims");
    const message = { from: "olga", topic: "sensors.truck-7" };
    expect(startedWords({ ...STARTED, startedBy, message })).toBe("started by a message from olga on sensors.truck-7");
  });
});

describe("entries of a session", () => {
  it("is one entry for each effect, whatever number of events it took", () => {
    const calls = entriesOf(session(CLAIMS.recovered.claimId)).flatMap((entry) =>
      entry.kind === "effect" ? [`${entry.agent}: ${callName(entry)}`] : [],
    );
    expect(calls).toEqual([
      "intake: policies.lookup",
      "intake: ask assessor",
      "assessor: memory.recall in claims",
      "intake: ask fraud",
      "fraud: claims.history",
      "intake: ask payout",
      "payout: payments.payout",
    ]);
  });

  it("tells how a held, approved and recovered call came to its end", () => {
    const entry = payout(entriesOf(session(CLAIMS.recovered.claimId)));
    expect(entry).toMatchObject({ status: "done", via: "reconcile", nodeName: "pay", depth: 1 });
    expect(entry.approval?.decided?.decisions.map((decision) => decision.by.id)).toEqual(["maria"]);
    expect(entry.verdicts.map((verdict) => verdict.decision)).toEqual(["require_approval", "allow"]);
  });

  it("at an earlier point shows the call as it stood then, and not what came later", () => {
    const written = session(CLAIMS.recovered.claimId);
    const at = (type: string): number => written.events.findIndex((event) => event.type === type);
    expect(payout(entriesOf(written, at("effect_held"))).status).toBe("held");
    expect(payout(entriesOf(written, at("effect_held"))).outcome).toBeUndefined();
    expect(payout(entriesOf(written, at("approval_decided"))).status).toBe("approved");
    expect(entriesOf(written, 0).map((entry) => entry.kind)).toEqual(["milestone"]);
  });

  it("an ask and a question take as long as the wait for the answer, and a question tells who gave it", () => {
    const at = 1_700_000_000_000;
    const asking = claimsWorld(at);
    const written = askPeople(asking, { ...VISIT, key: "another" }, at);
    const [waiting] = entriesOf(written).filter((entry) => entry.kind === "effect");
    expect(waiting).toMatchObject({ status: "started", ms: undefined, by: undefined });
    if (waiting) expect([callName(waiting), questionOf(waiting)]).toEqual(["question to claims", VISIT.text]);
    const [question] = asking.questions.filter((each) => each.session === written.session);
    if (question) goOn(written, { ...question, answered: { by: "maria", at, value: "tomorrow" } });
    const [answered] = entriesOf(written).filter((entry) => entry.kind === "effect");
    expect(answered).toMatchObject({ status: "done", ms: 60_000, by: { kind: "person", id: "maria" } });
    const asks = entriesOf(session(CLAIMS.paid.claimId)).filter((entry) => entry.kind === "effect");
    const [ask] = asks.filter((entry) => entry.proposal.kind === "ask");
    expect(ask?.ms).toBe((ask?.events.at(-1)?.at ?? 0) - (ask?.at ?? 0));
  });

  it("calls it a takeover when another worker goes on, and not when a parked run wakes", () => {
    const kinds = entriesOf(session(CLAIMS.recovered.claimId)).flatMap((entry) =>
      entry.kind === "milestone" ? [`${entry.agent} ${entry.what.type}`] : [],
    );
    expect(kinds.filter((kind) => kind.endsWith("run_taken_over"))).toEqual(["payout run_taken_over"]);
  });

  it("says refused, in doubt and failed", () => {
    expect(payout(entriesOf(session(CLAIMS.lapsed.claimId))).status).toBe("refused");
    expect(payout(entriesOf(session(CLAIMS.doubt.claimId)))).toMatchObject({ status: "in_doubt" });
    const broken = world.sessions.find((each) => each.key === null);
    if (broken === undefined) throw new Error("There is no broken session.");
    expect(entriesOf(broken).map((entry) => entry.kind === "milestone" && entry.what.type)).toEqual([
      "run_started",
      "node_failed",
      "run_failed",
    ]);
  });

  it("shows that a run waits with the call that it waits for", () => {
    const written = session(CLAIMS.large.claimId);
    const index = indexSession(written.events);
    expect(written.events.at(-1)?.type).toBe("run_parked");
    expect(index.groupAt.at(-1)?.first.type).toBe("effect_held");
  });

  it("finds the entry of each event, and none for those that belong to none", () => {
    const written = session(CLAIMS.paid.claimId);
    const index = indexSession(written.events);
    written.events.forEach((event, i) => {
      const apart = ["superstep_finished", "node_finished", "route_taken"].includes(event.type);
      if (apart) expect(index.groupAt[i]).toBeUndefined();
      if (event.type.startsWith("effect_")) expect(index.groupAt[i]?.events).toContain(event);
    });
  });
});
