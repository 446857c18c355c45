import { defineConfig, type AnyAgent, type SignalboxConfig } from "signalbox";
import { startTestPlatform, type TestPlatform } from "./platform.ts";
import { PERMIT_ALL, rulesFile } from "./rules-file.ts";

export interface StartedRun {
  readonly run: string;
  readonly session: string;
  readonly status: string;
}

/** A platform for tests of what agents send each other. */
export interface Messaging {
  readonly platform: TestPlatform;
  /** These agents, and rules that permit everything. */
  readonly config: (...agents: AnyAgent[]) => SignalboxConfig;
  /** The runs of an agent, oldest first. */
  readonly runsOf: (agent: string) => Promise<StartedRun[]>;
}

export async function startMessaging(): Promise<Messaging> {
  const platform = await startTestPlatform();
  const rules = [await rulesFile(PERMIT_ALL)];
  return {
    platform,
    config: (...agents) => defineConfig({ agents, rules }),
    runsOf: (agent) =>
      platform.database.query(
        "select run_id as run, session_id as session, status from runs where agent = $1 order by started_at, run_id",
        [agent],
      ),
  };
}
