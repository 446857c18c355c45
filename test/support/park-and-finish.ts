import type { AnyAgent } from "signalbox";
import { expect } from "vitest";
import type { JournalEvent } from "../../runtime/core/events.ts";
import { RunProjection } from "../../runtime/replay/run-projection.ts";
import { HELD, TestEngine, type Say } from "./engine.ts";

export const holdPay: Say = (call) => (call.action === "pay" && !call.approval.satisfied ? HELD : undefined);

export function output(events: readonly JournalEvent[]): Record<string, unknown> {
  const last = events.at(-1);
  if (last?.type !== "run_finished") throw new Error(JSON.stringify(last?.data));
  return last.data.output as Record<string, unknown>;
}

/** Runs an agent that parks once at a call of `pay`, approves it, and gives the events. */
export async function parkAndFinish(
  agent: AnyAgent,
  input: unknown,
  engine = new TestEngine({ say: holdPay }),
): Promise<JournalEvent[]> {
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, input);
  expect(await engine.runOn(compiled, run)).toBe("parked");
  // Twice for nothing: every fast-forward compares all that is recorded.
  expect(await engine.runOn(compiled, run)).toBe("parked");
  for (const held of await engine.held(run)) await engine.decide(run, held, "approve");
  expect(await engine.runOn(compiled, run)).toBe("finished");
  return engine.events(run);
}

/** The state as a reader of the record alone puts it together. */
export function projected(events: readonly JournalEvent[]): Readonly<Record<string, unknown>> {
  const projection = new RunProjection();
  for (const event of events) projection.apply(event);
  return projection.current().state;
}
