import { defineTool } from "signalbox";
import { expect } from "vitest";
import { z } from "zod";
import { HELD, TestEngine, type EngineOptions } from "./engine.ts";
import { oneNode } from "./one-node.ts";

const hold = defineTool({
  name: "hold",
  effect: "idempotent",
  input: z.object({}),
  output: z.object({}),
  run: () => ({}),
});

/**
 * Runs a body that ends with a held call, so that it runs twice: once live, once on recorded results. Gives
 * what the body noted in each attempt.
 */
export async function twice(
  tools: Parameters<typeof oneNode>[0],
  body: (handles: never, note: (what: unknown) => void) => Promise<void>,
  options: EngineOptions = {},
) {
  const notes: unknown[][] = [];
  const engine = new TestEngine({
    say: (call) => (call.action === "hold" && !call.approval.satisfied ? HELD : undefined),
    ...options,
  });
  const agent = oneNode({ ...tools, hold }, async (handles) => {
    const noted: unknown[] = [];
    notes.push(noted);
    await body(handles as never, (what) => noted.push(what));
    await (handles.tools as { hold: (input: object) => Promise<object> }).hold({});
  });
  const compiled = engine.compile(agent);
  const run = await engine.create(agent, {});
  expect(await engine.runOn(compiled, run)).toBe("parked");
  await engine.decide(run, (await engine.held(run))[0], "approve");
  expect(await engine.runOn(compiled, run)).toBe("finished");
  expect(notes).toHaveLength(2);
  return { live: notes[0], replayed: notes[1], events: await engine.events(run) };
}
