import { derivedUuid } from "../../runtime/core/ids.ts";
import type { JsonObject, JsonValue } from "../../runtime/core/json.ts";
import type { QuestionView } from "../../runtime/core/protocol.ts";
import type { ClaimsWorld } from "./console-fixture-claims.ts";
import { allowedBy, FixtureSession } from "./console-fixture-journal.ts";

const FEED = { kind: "service", id: "claims-feed" } as const;

export interface FixtureQuestion {
  /** Also the key of its session. */
  readonly key: string;
  readonly text: string;
  readonly pool: string;
  /** The JSON Schema of the answer. */
  readonly answer: JsonObject;
}

/** What a surveyor's visit needs: one field of every simple kind. */
export const VISIT: FixtureQuestion = {
  key: "CLM-1090",
  text: "Who surveys the damage in the flat, and when?",
  pool: "claims",
  answer: {
    type: "object",
    properties: {
      budgetCents: { type: "integer", exclusiveMinimum: 0, description: "What it may cost" },
      date: { type: "string", format: "date" },
      note: { type: "string" },
      surveyor: { type: "string", enum: ["A. Keller", "M. Rossi"] },
      urgent: { type: "boolean" },
    },
    required: ["surveyor", "date", "budgetCents", "urgent"],
  },
};

/** Writes a session in which an agent asks people, up to where its run waits for them. */
export function askPeople(world: ClaimsWorld, asked: FixtureQuestion, startedAt: number): FixtureSession {
  const { key, text, pool, answer } = asked;
  const session = new FixtureSession(key, { key, startedBy: FEED, startedAt });
  const run = session.start("visits", { claim: key });
  session.wait(12);
  const proposal = run.proposal({
    kind: "human",
    class: "idempotent",
    name: `human.ask:${pool}`,
    node: "1/ask",
    input: { question: text, pool, answer },
  });
  const question = derivedUuid(run.run, proposal.effect);
  run.add("effect_intended", { ...proposal, id: question, verdict: allowedBy("visits-ask") });
  run.park({ kind: "human", effect: proposal.effect, question });
  world.sessions.push(session);
  world.questions.push({
    question,
    session: session.session,
    sessionKey: key,
    run: run.run,
    effect: proposal.effect,
    agent: run.agent,
    pool,
    text,
    answer,
    startedBy: FEED,
    status: "open",
    askedAt: session.now,
    answered: null,
    cannotAnswer: null,
  });
  return session;
}

/** Takes the answer into the record, as the worker that was woken does, and ends the run. */
export function goOn(session: FixtureSession, question: QuestionView): void {
  const [run] = session.runs;
  if (run === undefined || question.answered === null) throw new Error("Nobody has answered this question.");
  const { by, value } = question.answered;
  session.wait(60_000);
  run.resume(2);
  run.add("effect_finished", {
    effect: question.effect,
    outcome: { ok: true, value: value },
    ms: 0,
    via: "operator",
    by: { kind: "person", id: by },
  });
  run.node(1, "ask", { visit: value satisfies JsonValue });
  run.finish({ visit: value });
}
