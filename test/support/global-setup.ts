import type { TestProject } from "vitest/node";
import { startTestServers, type TestServers } from "./servers.ts";

declare module "vitest" {
  interface ProvidedContext {
    testServers: TestServers["context"];
  }
}

/** Vitest loads this file once for every project, each time anew: what they share is kept here. */
const SHARED = Symbol.for("signalbox.test.servers");
interface Shared {
  readonly servers: Promise<TestServers>;
  users: number;
}
const holder = globalThis as { [SHARED]?: Shared | undefined };

/** Starts (for the first project) or joins (for the others) the servers of this test run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (holder[SHARED] ??= { servers: startTestServers(), users: 0 });
  shared.users += 1;
  const servers = await shared.servers;
  project.provide("testServers", servers.context);
  return async () => {
    shared.users -= 1;
    if (shared.users > 0) return;
    holder[SHARED] = undefined;
    await servers.close();
  };
}
