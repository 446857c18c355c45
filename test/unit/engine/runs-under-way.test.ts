import { expect, test } from "vitest";
import { RunsUnderWay } from "../../../runtime/engine/runs-under-way.ts";

test("a run that is claimed anew before its worker has let go of it - stays under way", () => {
  const runs = new RunsUnderWay();
  const first = runs.begin("r", "a");
  const second = runs.begin("r", "a");
  runs.end("r", first);
  expect(runs.get("r")).toBe(second);
  expect([runs.names(), runs.countOf("a")]).toEqual([["r"], 1]);
  runs.end("r", second);
  expect(runs.names()).toEqual([]);
});
