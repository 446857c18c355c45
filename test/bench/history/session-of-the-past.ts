import { createHash, randomUUID } from "node:crypto";
import { canonicalJson } from "../../../runtime/core/canonical.ts";
import { effectKeyText } from "../../../runtime/core/effects.ts";
import type { Proposal, Wait } from "../../../runtime/core/events.ts";
import type { JsonValue } from "../../../runtime/core/json.ts";
import type { Verdict } from "../../../runtime/core/verdict.ts";
import { envelopeOf } from "./envelope.ts";
import { DAY_MS, RunRecord, type Place } from "./run-record.ts";
import type { Tables } from "./tables.ts";

/** What became of a session. `answer` waits for a run that it asked. */
export type Fate =
  | "finished"
  | "failed"
  | "cancelled"
  | "approval"
  | "question"
  | "doubt"
  | "timer"
  | "answer"
  | "ready"
  | "running"
  | "quarantined";

export interface PastSession {
  readonly fate: Fate;
  readonly agent: string;
  readonly version: string;
  readonly startedAt: number;
  /** How many events its runs have together: at least {@link LEAST_EVENTS}, and {@link CHILD_EVENTS} for each child. */
  readonly events: number;
  readonly children: number;
  /** Things that people have settled in it. */
  readonly settled: ReadonlySet<"approval" | "question" | "doubt">;
  readonly key: string | null;
  /** One of its payloads is too large for a row. */
  readonly large: boolean;
}

export const LEAST_EVENTS = 34;
export const CHILD_EVENTS = 12;
/** The events of an ending: one, unless it is said here. */
const ENDING_EVENTS: Partial<Record<Fate, number>> = { approval: 2, question: 2, doubt: 3, timer: 2, cancelled: 2 };

const RULE_SET = createHash("sha256").update("rules").digest("hex");
const ALLOWED: Verdict = {
  decision: "allow",
  rules: [{ id: "refunds-may-look-up", effect: "permit", reason: "Agents may look up the orders that they work on." }],
  reason: "Agents may look up the orders that they work on.",
  ruleSet: RULE_SET,
};
const HELD: Verdict = {
  decision: "require_approval",
  rules: [{ id: "refund-four-eyes", effect: "require_approval", reason: "Refunds above $500 need a person." }],
  reason: "Refunds above $500 need a person.",
  ruleSet: RULE_SET,
  approval: { pool: "finance", approvers: 1, ttlMs: 4 * DAY_MS },
};

/** Writes a session: its events, and the rows that follow from them. */
export function writeSession(tables: Tables, past: PastSession): void {
  const run = randomUUID();
  const startedBy = { kind: "service", id: "intake" } as const;
  const { agent, startedAt, key } = past;
  const root = new RunRecord(tables, { run, session: run, agent, parent: null, startedBy, startedAt, key });
  root.add("run_started", {
    ...{ session: run, agent, version: past.version, depth: 0, startedBy },
    input: { orderId: `A-${String(startedAt)}`, note: "The parcel came late, and one of the cups is broken." },
    ...(key === null ? {} : { key }),
  });
  root.add("attempt_started", { epoch: 1, worker: "worker-1", version: past.version, claimedAt: startedAt });
  const history = new History(tables, root, past.version);
  if (past.large) history.lookUp("x".repeat(300_000));
  if (past.settled.has("approval")) history.decidedApproval();
  if (past.settled.has("question")) history.answeredQuestion();
  if (past.settled.has("doubt")) history.settledDoubt();
  for (let i = 0; i < past.children; i++) history.askedChild(i === past.children - 1 && past.fate === "answer");
  history.fillUpTo(past.events - past.children * CHILD_EVENTS - (ENDING_EVENTS[past.fate] ?? 1));
  history.end(past.fate);
  root.end(past.version);
}

/** What happens in a run, step by step. */
class History {
  readonly #tables: Tables;
  readonly #run: RunRecord;
  readonly #version: string;
  #step = 0;

  constructor(tables: Tables, run: RunRecord, version: string) {
    this.#tables = tables;
    this.#run = run;
    this.#version = version;
  }

  /** Steps until the run has so many events. */
  fillUpTo(events: number): void {
    for (let left = events - this.#run.events; left > 0; left = events - this.#run.events) {
      if (left >= 7 || left === 4) this.#pay();
      else if (left >= 3) this.lookUp();
      else this.#run.add("route_taken", { route: `0/${String(this.#step)}`, to: ["next"] });
    }
  }

  lookUp(more = ""): void {
    const node = this.#nextNode("look-up");
    const input = { orderId: `A-${String(this.#run.startedAt)}-${String(this.#step)}` };
    const value = { customer: "Ada Example", items: ["cup", "saucer"], paidCents: 4_200 + this.#step, more };
    this.#run.add("effect_recorded", {
      ...proposal(node, "tool", "orders.lookup", "read", input),
      ...{ verdict: ALLOWED, outcome: { ok: true, value }, ms: 4.25 },
    });
    this.#finishStep(node, { paidCents: value.paidCents });
  }

  #pay(): void {
    const node = this.#nextNode("pay");
    const input = {
      amountCents: 4_200 + this.#step,
      orderId: `A-${String(this.#run.startedAt)}`,
      reason: "late parcel",
    };
    const made = proposal(node, "tool", "payments.refund", "irreversible", input);
    this.#run.add("effect_intended", { ...made, id: randomUUID(), verdict: ALLOWED });
    const value = { receipt: `R-${String(this.#run.startedAt)}-${String(this.#step)}` };
    this.#run.add("effect_finished", { effect: made.effect, outcome: { ok: true, value }, ms: 31.5, via: "call" });
    this.#finishStep(node, value);
  }

  /** A call that a person has allowed: 6 events and those of the step. */
  decidedApproval(): void {
    const { approval, made, argsHash, wait } = this.#hold("consumed");
    this.#run.add("run_parked", { waits: [wait] });
    const decisions = [
      {
        by: { kind: "person", id: "grace" },
        decision: "approve",
        reason: "Fits the order.",
        at: this.#run.at,
      } as const,
    ];
    this.#run.add("approval_decided", {
      ...{ approval, effect: made.effect, argsHash, outcome: "approved", decisions, message: `decided:${approval}` },
    });
    this.#run.add("effect_intended", { ...made, id: randomUUID(), verdict: ALLOWED, approval });
    const outcome = { ok: true, value: { receipt: "R-1" } } as const;
    this.#run.add("effect_finished", { effect: made.effect, outcome, ms: 40.5, via: "call" });
    this.#finishStep(made.node, { receipt: "R-1" });
    this.#tables.decisions.add(approval, "grace", "approve", "Fits the order.", new Date(this.#run.at));
  }

  #hold(status: "consumed" | "pending") {
    const { run, session, agent, startedBy } = this.#run;
    const node = this.#nextNode("pay");
    const input = { amountCents: 90_000, orderId: `A-${String(this.#run.startedAt)}`, reason: "Broken on arrival." };
    const made = proposal(node, "tool", "payments.refund", "irreversible", input);
    const approval = randomUUID();
    const argsHash = createHash("sha256").update(approval).digest("hex");
    const requested = this.#run.at + 7;
    const expiresAt = status === "pending" ? Date.now() + 4 * DAY_MS : requested + 4 * DAY_MS;
    this.#run.add("effect_held", { ...made, verdict: HELD, approval, argsHash, expiresAt });
    const wait = { kind: "approval", effect: made.effect, approval } as const;
    const { effect, name } = made;
    this.#tables.approvals.add(
      ...[approval, run, session, effect, agent, name, "1", canonicalJson(input), argsHash, canonicalJson(HELD)],
      ...["finance", 1, startedBy.kind, startedBy.id, status, new Date(requested), new Date(expiresAt)],
      status === "pending" ? null : new Date(requested + 60_000),
    );
    return { approval, made, argsHash, wait };
  }

  answeredQuestion(): void {
    const { made, question, wait } = this.#ask("answered");
    this.#run.add("run_parked", { waits: [wait] });
    const by = { kind: "person", id: "grace" } as const;
    const outcome = { ok: true, value: { refund: true } } as const;
    const ms = 61_000.5;
    const message = `answered:${question}`;
    this.#run.add("effect_finished", { effect: made.effect, outcome, ms, via: "answer", by, message });
    this.#finishStep(made.node, { refund: true });
  }

  #ask(status: "answered" | "open") {
    const { run, session, agent } = this.#run;
    const node = this.#nextNode("ask");
    const question = randomUUID();
    const text = "The customer says that the cup was broken. Shall we refund it?";
    const schema = { type: "object", properties: { refund: { type: "boolean" } }, required: ["refund"] };
    const made = proposal(node, "human", "human.ask", "idempotent", {
      pool: "support",
      question: text,
      answer: schema,
    });
    this.#run.add("effect_intended", { ...made, id: question, verdict: ALLOWED });
    const wait = { kind: "human", effect: made.effect, question } as const;
    const { at } = this.#run;
    const answered = status === "answered" ? [new Date(at + 60_000), "grace", '{"refund":true}'] : [];
    this.#tables.questions.add(
      ...[question, run, session, made.effect, agent, "support", text, canonicalJson(schema), status, new Date(at)],
      ...answered,
    );
    return { made, question, wait };
  }

  settledDoubt(): void {
    const { made, wait } = this.#doubt(true);
    this.#run.add("run_parked", { waits: [wait] });
    const by = { kind: "person", id: "grace" } as const;
    this.#run.add("doubt_resolved", {
      ...{ effect: made.effect, resolution: "happened", result: { receipt: "R-9" }, by },
      ...{ reason: "The bank's list has it.", message: `doubt:${made.effect}` },
    });
    this.#finishStep(made.node, { receipt: "R-9" });
  }

  #doubt(resolved: boolean) {
    const { run, session, agent } = this.#run;
    const node = this.#nextNode("pay");
    const input = { amountCents: 1_200, orderId: `A-${String(this.#run.startedAt)}`, reason: "late parcel" };
    const made = proposal(node, "tool", "payments.refund", "irreversible", input);
    const id = randomUUID();
    const reason = "The worker ended between the start and the end of the call.";
    this.#run.add("effect_intended", { ...made, id, verdict: ALLOWED });
    this.#run.add("effect_doubted", { effect: made.effect, reason });
    const wait = { kind: "doubt", effect: made.effect } as const;
    const { at } = this.#run;
    this.#tables.doubts.add(
      ...[run, made.effect, session, id, agent, made.name, canonicalJson(input), reason, new Date(at)],
      resolved ? new Date(at + 60_000) : null,
    );
    return { made, wait };
  }

  /** A run that this one asks, of {@link CHILD_EVENTS} events, and its answer if it does not wait as well. */
  askedChild(waits: boolean): void {
    const node = this.#nextNode("ask-pricing");
    const child = randomUUID();
    const message = randomUUID();
    const made = proposal(node, "ask", "pricing", "idempotent", { orderId: `A-${String(this.#run.startedAt)}` });
    const asked = this.#run.add("effect_intended", { ...made, id: message, verdict: ALLOWED, child });
    this.#recordMessage(message, child, asked, made);
    const { session, run: parent, agent: asker } = this.#run;
    const startedBy = { kind: "agent", id: asker } as const;
    const startedAt = this.#run.at + 5;
    const run = new RunRecord(this.#tables, {
      ...{ run: child, session, agent: "pricing", parent, startedBy, startedAt, key: null },
    });
    run.add("run_started", {
      ...{ session, agent: "pricing", version: this.#version, depth: 1, startedBy, input: made.input },
      cause: { ...asked, message, agent: asker, effect: made.effect },
    });
    run.add("attempt_started", { epoch: 1, worker: "worker-2", version: this.#version, claimedAt: startedAt });
    const history = new History(this.#tables, run, this.#version);
    const fate = waits ? "timer" : "finished";
    history.fillUpTo(CHILD_EVENTS - (ENDING_EVENTS[fate] ?? 1));
    const end = history.end(fate);
    run.end(this.#version);
    if (waits) {
      this.#run.waits = [{ kind: "answer", effect: made.effect, agent: "pricing", run: child }];
      return;
    }
    const outcome = { ok: true, value: { priceCents: 900 } } as const;
    this.#run.add("effect_finished", { effect: made.effect, outcome, ms: 120.5, via: "answer", child: end, message });
    this.#finishStep(node, { priceCents: 900 });
  }

  #recordMessage(message: string, child: string, asked: Place, made: Proposal): void {
    const { agent, run, session, at } = this.#run;
    const { seq, hash } = asked;
    const envelope = envelopeOf({
      ...{ id: message, kind: "ask", from: agent, to: "pricing", session, run, cause: { seq, hash }, target: child },
      ...{ effect: made.effect, depth: 1, sentAt: at, body: made.input },
    });
    const then = new Date(at);
    this.#tables.outbox.add(
      message,
      "pricing",
      envelope,
      then,
      then,
      then,
      "ask",
      agent,
      run,
      null,
      null,
      then,
      0,
      null,
    );
  }

  /** Its last events, and what it is from then on. */
  end(fate: Fate): Place {
    switch (fate) {
      case "finished":
        this.#run.status = "finished";
        return this.#run.add("run_finished", { output: { receipt: `R-${String(this.#run.startedAt)}` } });
      case "failed":
        this.#run.status = "failed";
        return this.#run.add("run_failed", { error: { name: "BankClosedError", message: "The bank is closed." } });
      case "cancelled": {
        const asked = { by: { kind: "person", id: "grace" }, reason: "Asked twice." } as const;
        const message = `cancel:${this.#run.run}`;
        this.#run.add("cancel_requested", { ...asked, message });
        this.#run.status = "cancelled";
        return this.#run.add("run_cancelled", { ...asked, message });
      }
      case "quarantined":
        this.#run.status = "quarantined";
        return this.#run.add("run_quarantined", { crashes: 3 });
      case "ready":
      case "running":
        this.#run.status = fate;
        return this.#run.add("route_taken", { route: `0/${String(this.#step)}`, to: ["next"] });
      case "approval":
        return this.#park(this.#hold("pending").wait);
      case "question":
        return this.#park(this.#ask("open").wait);
      case "doubt":
        return this.#park(this.#doubt(false).wait);
      case "timer":
        return this.#park(this.#sleep());
      case "answer":
        return this.#park(...this.#run.waits);
    }
  }

  #sleep(): Wait {
    const node = this.#nextNode("sleep");
    const dueAt = Date.now() + 30 * DAY_MS;
    const made = proposal(node, "timer", "timer.sleep", "read", { untilMs: dueAt });
    this.#run.add("timer_set", { ...made, dueAt });
    this.#run.wakeAt = dueAt;
    return { kind: "timer", effect: made.effect, dueAt };
  }

  #park(...waits: readonly Wait[]): Place {
    this.#run.waits = waits;
    this.#run.status = "parked";
    return this.#run.add("run_parked", { waits: [...waits] });
  }

  #nextNode(name: string): string {
    this.#step++;
    return `/${String(this.#step)}/${name}/["__pregel_pull","${name}"]`;
  }

  #finishStep(node: string, update: JsonValue): void {
    this.#run.add("node_finished", { node, name: node.split("/")[2] ?? "", update, ms: 5.5 });
    this.#run.add("superstep_finished", {
      ...{ graph: "", step: this.#step, changes: { log: { op: "append_by", nodes: [node] } } },
      channels: createHash("sha256").update(node).digest("hex"),
    });
  }
}

function proposal(
  node: string,
  kind: Proposal["kind"],
  name: string,
  effectClass: Proposal["class"],
  input: JsonValue,
): Proposal {
  const fingerprint = createHash("sha256")
    .update(`${name}\n${canonicalJson(input)}`)
    .digest("hex");
  const effect = effectKeyText({ node, name, fingerprint, nth: 0 });
  return { effect, node, kind, name, version: "1", class: effectClass, fingerprint, nth: 0, input };
}
