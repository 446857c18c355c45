import { createHash } from "node:crypto";
import { derivedUuid } from "../../runtime/core/ids.ts";
import { effectKeyText } from "../../runtime/core/effects.ts";
import {
  EVENT_VERSION,
  eventSchemas,
  type EventData,
  type JournalEvent,
  type NewEvent,
  type RunStatus,
  type Wait,
} from "../../runtime/core/events.ts";
import type { JsonObject, JsonValue } from "../../runtime/core/json.ts";
import type { Actor } from "../../runtime/core/people.ts";
import type { RunState, RunSummary, SessionState, SessionSummary } from "../../runtime/core/protocol.ts";
import type { Verdict } from "../../runtime/core/verdict.ts";

export const RULE_SET = createHash("sha256").update("claims rules").digest("hex");

export function allowedBy(...rules: readonly string[]): Verdict {
  return {
    decision: "allow",
    rules: rules.map((id) => ({ id, effect: "permit" as const })),
    reason: `${rules.join(", ")} permits it.`,
    ruleSet: RULE_SET,
  };
}

type EffectStart = Pick<EventData<"effect_recorded">, "kind" | "class" | "input"> & {
  readonly name: string;
  readonly node: string;
};

/** Writes a session's journal step by step, as the engine would, on a clock that the writer moves. */
export class FixtureSession {
  readonly session: string;
  readonly key: string | null;
  readonly startedBy: Actor;
  readonly runs: FixtureRun[] = [];
  now: number;

  constructor(name: string, options: { readonly key?: string; readonly startedBy: Actor; readonly startedAt: number }) {
    this.session = derivedUuid("console-fixture", name);
    this.key = options.key ?? null;
    this.startedBy = options.startedBy;
    this.now = options.startedAt;
  }

  /** Lets time pass, in milliseconds. */
  wait(ms: number): this {
    this.now += ms;
    return this;
  }

  start(agent: string, input: JsonValue, cause?: { readonly run: FixtureRun; readonly effect: string }): FixtureRun {
    const id = this.runs.length === 0 ? this.session : derivedUuid(this.session, agent, String(this.runs.length));
    const run = new FixtureRun(this, id, agent, cause?.run ?? null);
    this.runs.push(run);
    const head = cause?.run.events.at(-1);
    run.add("run_started", {
      session: this.session,
      agent,
      version: "7c1e90ab",
      input,
      startedBy: this.startedBy,
      ...(this.key !== null && cause === undefined ? { key: this.key } : {}),
      ...(head === undefined || cause === undefined
        ? {}
        : {
            cause: {
              run: head.run,
              seq: head.seq,
              hash: head.hash,
              message: derivedUuid(head.hash, "ask"),
              agent: cause.run.agent,
              effect: cause.effect,
            },
          }),
      depth: cause === undefined ? 0 : cause.run.depth + 1,
    });
    run.add("attempt_started", { epoch: 1, worker: "worker-1" });
    return run;
  }

  /** Events in the order in which they were written, which is causal. */
  get events(): readonly JournalEvent[] {
    return this.runs
      .flatMap((run) => run.written)
      .toSorted((a, b) => a.order - b.order)
      .map(({ event }) => event);
  }

  readonly nextOrder = (() => {
    let order = 0;
    return (): number => order++;
  })();

  get summary(): SessionSummary {
    const root = this.runs[0];
    if (root === undefined) throw new Error("The session has no run. Call start() first.");
    return {
      session: this.session,
      agent: root.agent,
      status: root.status,
      startedBy: this.startedBy,
      key: this.key,
      startedAt: root.events[0]?.at ?? 0,
      endedAt: root.summary.endedAt,
      runs: this.runs.length,
      events: this.runs.reduce((sum, run) => sum + run.events.length, 0),
      waits: this.runs.flatMap((run) => run.waits),
    };
  }

  stateAt(run: string, seq: number): SessionState {
    const events = this.events;
    const until = events.findIndex((event) => event.run === run && event.seq === seq);
    const before = events.slice(0, until + 1);
    return { at: { run, seq }, runs: this.runs.map((each) => each.stateAfter(before)) };
  }
}

export class FixtureRun {
  readonly session: FixtureSession;
  readonly run: string;
  readonly agent: string;
  readonly parent: FixtureRun | null;
  readonly written: { readonly event: JournalEvent; readonly order: number }[] = [];
  status: RunStatus = "running";
  waits: readonly Wait[] = [];

  constructor(session: FixtureSession, run: string, agent: string, parent: FixtureRun | null) {
    this.session = session;
    this.run = run;
    this.agent = agent;
    this.parent = parent;
  }

  get depth(): number {
    return this.parent === null ? 0 : this.parent.depth + 1;
  }

  get events(): readonly JournalEvent[] {
    return this.written.map(({ event }) => event);
  }

  /** Appends one event; its data is checked against the schema of its type. */
  add<T extends NewEvent["type"]>(type: T, data: EventData<T>): this {
    eventSchemas[type].parse(data);
    const prev = this.written.at(-1)?.event.hash ?? "0".repeat(64);
    const seq = this.written.length + 1;
    const at = this.session.now;
    const text = JSON.stringify([this.run, seq, type, at, prev, data]);
    const hash = createHash("sha256").update(text).digest("hex");
    const event = { type, data, run: this.run, seq, v: EVENT_VERSION, at, prev, hash } as unknown as JournalEvent;
    this.written.push({ event, order: this.session.nextOrder() });
    this.#follow(event);
    return this;
  }

  #follow(event: JournalEvent): void {
    if (event.type === "run_parked") {
      this.status = "parked";
      this.waits = event.data.waits;
    } else if (event.type === "run_finished") this.status = "finished";
    else if (event.type === "run_failed") this.status = "failed";
    else if (event.type === "run_cancelled") this.status = "cancelled";
    else if (event.type === "attempt_started") this.status = "running";
    if (event.type !== "run_parked") this.waits = [];
  }

  proposal(start: EffectStart): Omit<EventData<"effect_held">, "verdict" | "approval" | "argsHash" | "expiresAt"> {
    const fingerprint = createHash("sha256")
      .update(JSON.stringify([start.name, start.input]))
      .digest("hex");
    const nth = 0;
    const effect = effectKeyText({ node: start.node, name: start.name.split(":")[0] ?? "", fingerprint, nth });
    return {
      effect,
      ...start,
      ...(start.kind === "tool" ? { version: "1.2.0" } : {}),
      fingerprint,
      nth,
    };
  }

  /** A call that changes nothing outside: one event. */
  read(start: Omit<EffectStart, "class">, value: JsonValue, ms: number, verdict?: Verdict): this {
    this.session.wait(ms);
    return this.add("effect_recorded", {
      ...this.proposal({ ...start, class: "read" }),
      ...(verdict === undefined ? {} : { verdict }),
      outcome: { ok: true, value },
      ms,
    });
  }

  /** Asks another agent; the child runs when `answer` writes its events, and then its answer comes back. */
  ask(agent: string, node: string, input: JsonObject, answer: (child: FixtureRun) => JsonValue | undefined): this {
    const proposal = this.proposal({ kind: "ask", class: "idempotent", name: `agent.ask:${agent}`, node, input });
    const child = derivedUuid(this.session.session, agent, String(this.session.runs.length));
    const verdict = allowedBy("ask-the-team");
    this.session.wait(2);
    this.add("effect_intended", { ...proposal, id: derivedUuid(this.run, proposal.effect), verdict, child });
    const message = derivedUuid(proposal.effect, "message");
    this.add("message_sent", {
      message,
      kind: "ask",
      subject: `mail.${agent}`,
      from: this.agent,
      to: agent,
      effect: proposal.effect,
      run: child,
    });
    this.park({ kind: "answer", effect: proposal.effect, agent, run: child });
    const started = this.session.wait(6).start(agent, input, { run: this, effect: proposal.effect });
    const askedAt = this.session.now;
    const value = answer(started);
    if (value === undefined) return this;
    started.finish(value, { message, to: this.agent, effect: proposal.effect, run: this.run });
    const last = started.events.at(-1);
    this.session.wait(5);
    this.resume(2);
    return this.add("effect_finished", {
      effect: proposal.effect,
      outcome: { ok: true, value },
      ms: this.session.now - askedAt,
      via: "answer",
      message: derivedUuid(message, "answer"),
      ...(last === undefined ? {} : { child: { run: last.run, seq: last.seq, hash: last.hash } }),
    });
  }

  park(...waits: Wait[]): this {
    return this.add("run_parked", { waits });
  }

  resume(epoch: number, worker = "worker-1"): this {
    return this.add("attempt_started", { epoch, worker });
  }

  node(step: number, name: string, update: JsonObject, ms = 12): this {
    this.session.wait(1);
    this.add("node_finished", { node: `${String(step)}/${name}`, name, update, ms });
    return this.add("superstep_finished", {
      graph: "",
      step,
      changes: Object.fromEntries(
        Object.keys(update).map((key) => [key, { op: "set_by" as const, node: `${String(step)}/${name}` }]),
      ),
      channels: createHash("sha256")
        .update(JSON.stringify([step, update]))
        .digest("hex"),
    });
  }

  finish(output: JsonValue, answer?: { message: string; to: string; effect: string; run: string }): this {
    this.session.wait(1);
    if (answer !== undefined) {
      this.add("message_sent", {
        message: derivedUuid(answer.message, "answer"),
        kind: "answer",
        subject: `mail.${answer.to}`,
        from: this.agent,
        to: answer.to,
        effect: answer.effect,
        run: answer.run,
      });
    }
    return this.add("run_finished", { output });
  }

  get summary(): RunSummary {
    const last = this.written.at(-1)?.event;
    const ended = this.status === "finished" || this.status === "failed" || this.status === "cancelled";
    return {
      run: this.run,
      session: this.session.session,
      agent: this.agent,
      parent: this.parent?.run ?? null,
      status: this.status,
      startedAt: this.written[0]?.event.at ?? 0,
      endedAt: ended ? (last?.at ?? null) : null,
      events: this.written.length,
      waits: this.waits,
    };
  }

  /** This run's state after the given events of the session: its input, overlaid by its nodes' updates. */
  stateAfter(events: readonly JournalEvent[]): RunState {
    const state: Record<string, JsonValue> = {};
    let status: RunState["status"] = "not_started";
    let waits: readonly Wait[] = [];
    let seq = 0;
    for (const event of events) {
      if (event.run !== this.run) continue;
      seq = event.seq;
      waits = event.type === "run_parked" ? event.data.waits : [];
      if (event.type === "run_started") Object.assign(state, event.data.input);
      if (event.type === "node_finished") Object.assign(state, event.data.update);
      if (event.type === "run_parked") status = "parked";
      else if (event.type === "run_finished") status = "finished";
      else if (event.type === "run_failed") status = "failed";
      else status = "running";
    }
    return { run: this.run, agent: this.agent, status, state, waits, seq };
  }
}
