import { pathToFileURL } from "node:url";
import { NatsBus } from "../../../runtime/bus/nats-bus.ts";
import { systemClock } from "../../../runtime/core/clock.ts";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import type { Database } from "../../../runtime/core/database.ts";
import type { Principal } from "../../../runtime/core/people.ts";
import { openDatabase } from "../../../runtime/journal/database.ts";
import { PostgresJournal } from "../../../runtime/journal/journal.ts";
import { JournalWriter } from "../../../runtime/journal/writer.ts";
import { createPeople } from "../../../runtime/people/index.ts";
import { createServices } from "../../../runtime/platform/console-services.ts";
import { benchProject } from "../../support/bench-project.ts";
import { POOL } from "../../support/bench-watched-agents.ts";
import type { BenchServers } from "./servers.ts";

/** People at a database, and what the console's HTTP API and the CLI call for them. */
export interface Operators extends AsyncDisposable {
  readonly database: Database;
  readonly services: ConsoleServices;
  /** Starts runs. Their calls somebody else has to decide about. */
  readonly starter: Principal;
  readonly decider: Principal;
  /** The decider's. */
  readonly password: string;
}

export async function startOperators(databaseUrl: string, nats: BenchServers["nats"]["console"]): Promise<Operators> {
  const database = openDatabase({ url: databaseUrl });
  const people = createPeople({ database });
  const password = "a password that is long enough";
  const starter = await people.addUser({ name: "ada", roles: ["operator"] });
  await people.addUser({ name: "olga", roles: ["operator"] });
  await people.setPassword("olga", password);
  await people.addToPool(POOL, "olga");
  const writer = new JournalWriter({ url: databaseUrl, clock: systemClock });
  const journal = new PostgresJournal({ database, writer, clock: systemClock });
  const bus = await NatsBus.connect({ access: nats, name: "bench-operators", role: "console" });
  // Nothing is judged here, so there are no rules to be read.
  const config = benchProject(["held", "slow"], pathToFileURL("/none"));
  return {
    database,
    services: createServices({ database, journal, bus, config }),
    starter,
    decider: await people.findUser("olga"),
    password,
    async [Symbol.asyncDispose]() {
      await bus.close();
      await writer.close();
      await database.end();
    },
  };
}
