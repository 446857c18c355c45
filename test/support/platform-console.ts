import { pino } from "pino";
import { createConsole } from "../../console/server/index.ts";
import { NatsBus } from "../../runtime/bus/nats-bus.ts";
import type { SignalboxConfig } from "../../runtime/config.ts";
import type { Role } from "../../runtime/core/people.ts";
import { createPeople, type People } from "../../runtime/people/index.ts";
import { createServices } from "../../runtime/platform/console-services.ts";
import { addCaller, type Caller } from "./console.ts";
import type { TestPlatform } from "./platform.ts";

/** A console on a test's own platform: what people do there reaches runs that workers go on with. */
export interface PlatformConsole extends AsyncDisposable {
  readonly url: string;
  readonly people: People;
  /** Somebody with a token, in these pools. */
  caller(
    name: string,
    roles: readonly Role[],
    options?: { readonly kind?: "person" | "service"; readonly pools?: readonly string[] },
  ): Promise<Caller>;
}

/** @param webRoot built pages; without them there is only the HTTP API */
export async function startPlatformConsole(
  platform: TestPlatform,
  config: SignalboxConfig,
  webRoot?: string,
): Promise<PlatformConsole> {
  const { database, journal, nats } = platform;
  const bus = await NatsBus.connect({ access: nats.access, name: "test-console", role: "console" });
  const people = createPeople({ database });
  const server = await createConsole({
    people,
    services: createServices({ database, journal, bus, config }),
    bus,
    port: 0,
    log: pino({ level: "silent" }),
    signInLimits: { perAddress: 10_000 },
    ...(webRoot === undefined ? {} : { webRoot }),
  });
  return {
    url: server.url,
    people,
    async caller(name, roles, { kind, pools = [] } = {}) {
      const caller = await addCaller(people, () => server.url, { name, roles, kind });
      for (const pool of pools) await people.addToPool(pool, name);
      return caller;
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await bus.close();
    },
  };
}
