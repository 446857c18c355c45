import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig } from "signalbox";
import { afterEach, describe, expect, test, vi } from "vitest";
import { startRun } from "../../../runtime/platform/start-run.ts";
import { newRun } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";
import { PERMIT_ALL, rulesFile } from "../../support/rules-file.ts";

const { one } = useJournals();
afterEach(() => {
  vi.restoreAllMocks();
});

const HOUR_MS = 3_600_000;

const State = Annotation.Root({ id: Annotation<string>() });
const hasty = defineAgent({
  name: "hasty",
  state: State,
  timeoutMs: 60_000,
  graph: () =>
    new StateGraph(State)
      .addNode("node", () => ({}))
      .addEdge(START, "node")
      .addEdge("node", END),
});

async function databaseNow(): Promise<number> {
  const [row] = await one.database.query<{ now: Date }>("select clock_timestamp() as now");
  return row?.now.getTime() ?? 0;
}

/** What is recorded, and what the row says: they have to be the same. */
async function deadlineOf(run: string): Promise<number | undefined> {
  const [started] = await one.journal.read(run);
  const [row] = await one.database.query<{ stop: Date | null }>("select stop_at as stop from runs where run_id = $1", [
    run,
  ]);
  const recorded = started?.type === "run_started" ? started.data.deadline : undefined;
  expect(row?.stop?.getTime()).toBe(recorded);
  return recorded;
}

describe("a deadline", () => {
  test.each([-HOUR_MS, HOUR_MS])(
    "of an agent's runs, started where the clock is %d ms off - is by the database's clock",
    async (offMs) => {
      const before = await databaseNow();
      const now = Date.now.bind(Date);
      vi.spyOn(Date, "now").mockImplementation(() => now() + offMs);
      const config = defineConfig({ agents: [hasty], rules: [await rulesFile(PERMIT_ALL)] });
      const { run } = await startRun(
        { journal: one.journal, bus: { wake: () => undefined }, config },
        { agent: "hasty", input: { id: "1" }, startedBy: { kind: "person", id: "ada" } },
      );
      const deadline = await deadlineOf(run);
      expect(deadline).toBeGreaterThanOrEqual(before + 60_000);
      expect(deadline).toBeLessThanOrEqual((await databaseNow()) + 60_001);
    },
  );

  test("that comes before the agent's own time is over - counts", async () => {
    const deadline = (await databaseNow()) + 5_000;
    const { run } = newRun();
    await one.journal.create(newRun({ run, deadline, timeoutMs: HOUR_MS }));
    expect(await deadlineOf(run)).toBe(deadline);
  });

  test("of a run that has none - is none", async () => {
    const { run } = newRun();
    await one.journal.create(newRun({ run }));
    expect(await deadlineOf(run)).toBeUndefined();
  });
});
