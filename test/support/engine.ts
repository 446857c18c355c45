import type { AnyAgent } from "../../agents/define-agent.ts";
import { systemClock } from "../../runtime/core/clock.ts";
import type { Bus, Envelope } from "../../runtime/core/bus.ts";
import type { EventData, EventType, JournalEvent, NewEvent, RunStatus, Wait } from "../../runtime/core/events.ts";
import type { Journal, NewRun } from "../../runtime/core/journal.ts";
import type { JsonValue } from "../../runtime/core/json.ts";
import type { Judge, ProposedCall } from "../../runtime/core/judge.ts";
import { applyEvent, emptyRecord } from "../../runtime/core/run-record.ts";
import type { Snapshots } from "../../runtime/core/snapshots.ts";
import type { Turns } from "../../runtime/core/turns.ts";
import type { Verdict } from "../../runtime/core/verdict.ts";
import { DEFAULT_LIMITS, type AttemptServices, type Limits } from "../../runtime/engine/attempt-services.ts";
import { Attempt } from "../../runtime/engine/attempt.ts";
import { encode } from "../../runtime/engine/codec.ts";
import { compileAgent, type CompiledAgent } from "../../runtime/engine/compile-agent.ts";
import type { HandleServices } from "../../runtime/engine/handles.ts";
import { Mailer } from "../../runtime/engine/mailer.ts";
import { claimant } from "./journal.ts";
import { MemoryMessages } from "./memory-messages.ts";
import { MemoryJournal, memoryRun } from "./memory-journal.ts";

/** What a test lets the rules say of a call; `undefined` allows it. */
export type Say = (call: ProposedCall) => Partial<Verdict> | undefined;

export function judgeThat(say: Say = () => undefined): Judge {
  return {
    ruleSet: "rules-1",
    judge: (call) => ({
      decision: "allow",
      rules: [],
      reason: "The test allows it.",
      ruleSet: "rules-1",
      ...say(call),
    }),
  };
}

/** A verdict that holds a call for one person of the pool "finance" until it is approved. */
export const HELD: Partial<Verdict> = {
  decision: "require_approval",
  reason: "The test holds it.",
  approval: { pool: "finance", approvers: 1, ttlMs: 3_600_000 },
};
export const DENIED: Partial<Verdict> = { decision: "deny", reason: "The test denies it." };

export const NO_BUS: Bus = {
  wake: () => undefined,
  mail: () => Promise.resolve(),
  dead: () => undefined,
  live: () => undefined,
  tokens: () => undefined,
  onWake: () => Promise.resolve(),
  onMail: () => Promise.resolve(),
  onLive: () => Promise.resolve(),
  onTokens: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

const HANDLES: HandleServices = {
  memory: { remember: () => Promise.resolve(), recall: () => Promise.resolve([]) },
  models: new Map(),
  log: () => undefined,
};

export interface EngineOptions {
  readonly journal?: Journal;
  readonly snapshots?: Snapshots;
  readonly say?: Say;
  readonly limits?: Partial<Limits>;
  readonly handles?: Partial<HandleServices>;
}

/** The engine on a journal of its own, without a worker: a test makes one attempt after the other. */
export class TestEngine {
  readonly memory = new MemoryJournal();
  readonly journal: Journal;
  readonly snapshots: Snapshots;
  readonly services: AttemptServices;
  readonly messages: MemoryMessages;
  readonly trouble: string[] = [];
  /** Whoever else is there speaks for "peer". */
  readonly mailer: Mailer = new Mailer({
    worker: "w",
    bus: NO_BUS,
    keys: () => Promise.resolve({ publicKey: this.mailer.publicKey, agents: ["peer"] }),
    onSendError: () => undefined,
  });
  readonly #handles: HandleServices;
  #aheadMs = 0;

  constructor({ journal, snapshots, say, limits, handles }: EngineOptions = {}) {
    this.journal = journal ?? this.memory;
    this.messages = new MemoryMessages(this.memory.views);
    this.snapshots = snapshots ?? this.memory.snapshots;
    this.#handles = { ...HANDLES, ...handles };
    this.services = {
      journal: this.journal,
      snapshots: this.snapshots,
      judge: judgeThat(say),
      mailer: this.mailer,
      clock: { now: () => systemClock.now() + this.#aheadMs, monotonicMs: () => systemClock.monotonicMs() },
      worker: "w",
      turns: memoryTurns(),
      messages: this.messages,
      limits: { ...DEFAULT_LIMITS, replayStallMs: 200, ...limits },
      onTrouble: (what) => {
        this.trouble.push(what);
      },
    };
  }

  compile(agent: AnyAgent): CompiledAgent {
    return compileAgent(agent, this.#handles);
  }

  async create(agent: AnyAgent, input: unknown, changes: Partial<NewRun> = {}): Promise<string> {
    const run = memoryRun(agent.name, encode(input), changes);
    await this.journal.create(run);
    return run.run;
  }

  /** One attempt at the run: the status it reached, or "cut" if it was cut off. */
  async attempt(compiled: CompiledAgent, run: string): Promise<RunStatus | "cut"> {
    const [claim] = await this.journal.claim([run], {
      ...claimant("w"),
      versions: new Map([[compiled.agent.name, "1"]]),
    });
    if (!claim) throw new Error("The run cannot be claimed.");
    const attempt = await Attempt.open(claim, this.services, compiled);
    try {
      return await attempt.run(compiled);
    } catch {
      await this.journal.release(claim.head);
      return "cut";
    }
  }

  /** What a run that has parked waits for. */
  async waits(run: string): Promise<readonly Wait[]> {
    const record = emptyRecord();
    for (const event of await this.events(run)) applyEvent(record, event);
    return record.waits;
  }

  /** Attempts until the run neither is ready nor was cut, and waits only for people and answers. */
  async runOn(compiled: CompiledAgent, run: string): Promise<RunStatus> {
    for (;;) {
      const status = await this.attempt(compiled, run);
      if (status === "cut" || status === "ready") continue;
      const timers = (await this.waits(run)).filter((wait) => wait.kind === "timer");
      if (status !== "parked" || timers.length === 0) return status;
      // As a sweep would: it is woken when its time has come.
      const dueAt = Math.min(...timers.map((timer) => timer.dueAt));
      while (Date.now() < dueAt) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Sets the clock ahead by so much. */
  skip(ms: number): void {
    this.#aheadMs += ms;
    this.memory.aheadMs += ms;
  }

  /** A message comes for the run. */
  leave(run: string, message: Envelope): void {
    this.messages.leave(run, this.mailer.sign(message));
    this.memory.knock(run);
  }

  events(run: string): Promise<JournalEvent[]> {
    return this.journal.read(run);
  }

  /** The calls that wait for a decision, in the order in which they were shown. */
  async held(run: string): Promise<EventData<"effect_held">[]> {
    const events = await this.events(run);
    const decided = events.flatMap((event) => (event.type === "approval_decided" ? [event.data.approval] : []));
    return events.flatMap((event) =>
      event.type === "effect_held" && !decided.includes(event.data.approval) ? [event.data] : [],
    );
  }

  /** Somebody decides on a held call. */
  async decide(run: string, held: EventData<"effect_held"> | undefined, decision: "approve" | "reject"): Promise<void> {
    if (!held) throw new Error("Nothing is held.");
    const { approval, effect, argsHash } = held;
    const outcome = decision === "approve" ? "approved" : "rejected";
    const decisions = [{ by: { kind: "person", id: "olga" }, decision, reason: "Because.", at: 1 }];
    await this.journal.deliver(run, {
      id: `decided:${approval}`,
      kind: "approval",
      data: { approval, effect, argsHash, outcome, decisions },
    });
  }

  /** Somebody settles the call that is in doubt. */
  async resolve(run: string, resolution: "happened" | "did_not_happen" | "give_up", result?: JsonValue): Promise<void> {
    const doubts = (await this.events(run)).filter((event) => event.type === "effect_doubted");
    const effect = doubts.at(-1)?.data.effect;
    if (effect === undefined) throw new Error("Nothing is in doubt.");
    const by = { kind: "person", id: "olga" };
    await this.journal.deliver(run, {
      id: `doubt:${effect}:${String(doubts.length)}`,
      kind: "doubt",
      data: { effect, resolution, by, reason: "I looked.", ...(result === undefined ? {} : { result }) },
    });
  }
}

/** Turns of one process, in the order of asking. Nobody is woken: a test makes the attempts. */
export function memoryTurns(): Turns {
  const taken = new Map<string, Set<string>>();
  const queues = new Map<string, Set<string>>();
  const of = (all: Map<string, Set<string>>, what: string): Set<string> => {
    const some = all.get(what) ?? new Set<string>();
    all.set(what, some);
    return some;
  };
  return {
    take: ({ of: what, run, effect }, atMost) => {
      const held = of(taken, what);
      const queue = of(queues, what);
      const key = `${run} ${effect}`;
      if (held.has(key)) return Promise.resolve(true);
      queue.add(key);
      if ([...queue].indexOf(key) >= atMost - held.size) return Promise.resolve(false);
      queue.delete(key);
      held.add(key);
      return Promise.resolve(true);
    },
    give: ({ of: what, run, effect }) => {
      of(taken, what).delete(`${run} ${effect}`);
      of(queues, what).delete(`${run} ${effect}`);
      return Promise.resolve();
    },
    handOut: () => Promise.resolve(),
  };
}

/** The types of events, without the attempts, supersteps and snapshots between them. */
export function typesOf(events: readonly JournalEvent[]): EventType[] {
  return events.map(({ type }) => type).filter((type) => !BETWEEN.includes(type));
}

const BETWEEN: readonly EventType[] = ["superstep_finished", "attempt_started", "snapshot_taken"];

const ENDS: readonly NewEvent["type"][] = ["effect_finished", "effect_recorded", "effect_refused"];

export function isEnd(event: Pick<NewEvent, "type">): boolean {
  return ENDS.includes(event.type);
}
