import { expect, test } from "vitest";
import type { RunView } from "../../runtime/core/protocol.ts";
import { assertRestartable } from "../../runtime/operations/runs.ts";
import { OLGA } from "../support/platform.ts";

test("starting a finished run again - is refused as what it is, and not as a run that goes on", () => {
  const finished = { run: "r-1", agent: "billing", parent: null, status: "finished", stuck: null } as Partial<RunView>;
  const again = () => {
    assertRestartable(finished as RunView, OLGA);
  };
  expect(again).toThrow(/is finished: there is nothing to do again.*start a new run of billing/);
});
