import { rm } from "node:fs/promises";
import { NatsBus } from "../../runtime/bus/nats-bus.ts";
import { systemClock } from "../../runtime/core/clock.ts";
import type { Bus } from "../../runtime/core/bus.ts";
import type { Database } from "../../runtime/core/database.ts";
import type { Role } from "../../runtime/core/people.ts";
import { openDatabase } from "../../runtime/journal/database.ts";
import { PostgresJournal } from "../../runtime/journal/journal.ts";
import { migrate } from "../../runtime/journal/migrate.ts";
import { JournalWriter } from "../../runtime/journal/writer.ts";
import { createPeople } from "../../runtime/people/index.ts";
import { Closers } from "../../runtime/platform/closers.ts";
import { Bank } from "../faults/bank.ts";
import { FaultNats, FaultPostgres, faultPrograms, serverFolder } from "../faults/servers.ts";
import { administer } from "../support/administer.ts";

/** What belongs to this process, among the connections that are counted and cut. */
export const OURS = "soak";
const DATABASE = "soak";
const POOL = "finance";
const TOKEN_MS = 24 * 3_600_000;
const SETTINGS = [
  "max_connections=200",
  // A soak is a day in some minutes: vacuum looks as often in it as in a day.
  "autovacuum_naptime=5s",
];

/** Somebody with a token. */
export interface Person {
  readonly name: string;
  readonly token: string;
}

/**
 * What a soak stands on: servers that can be stopped and started again (the fault suite's, which are those that
 * `npm test` has, without users), a bank, and people.
 */
export interface Ground extends AsyncDisposable {
  readonly nats: FaultNats;
  readonly bank: Bank;
  readonly url: string;
  readonly database: Database;
  readonly journal: PostgresJournal;
  readonly bus: Bus;
  /** Starts runs, and cancels some. */
  readonly starter: Person;
  /** Decides, answers and settles. */
  readonly operator: Person;
}

export async function openGround(): Promise<Ground> {
  const closers = new Closers();
  try {
    const programs = await faultPrograms();
    const folder = await serverFolder(programs.user);
    closers.add(() => rm(folder, { recursive: true, force: true }));
    const nats = await FaultNats.start(programs, folder);
    closers.add(() => nats.stop("SIGKILL"));
    const blank = await FaultPostgres.init(programs, folder);
    const postgres = await FaultPostgres.start(programs, folder, blank, SETTINGS);
    closers.add(() => postgres.stop("kill"));
    const bank = await Bank.open();
    closers.add(() => bank.close());
    await administer(postgres.url("postgres"), `create database ${DATABASE}`);
    const url = postgres.url(DATABASE);
    await migrate(url);
    const database = openDatabase({ url, applicationName: OURS, max: 6 });
    closers.add(() => database.end());
    const writer = new JournalWriter({ url, clock: systemClock });
    closers.add(() => writer.close());
    const bus = await NatsBus.connect({ access: { servers: [nats.url] }, name: OURS, role: "console" });
    // It would wait for a server that is gone.
    closers.add(() => {
      void bus.close().catch(() => undefined);
      return Promise.resolve();
    });
    const people = createPeople({ database });
    const person = async (name: string, role: Role): Promise<Person> => {
      await people.addUser({ name, roles: [role] });
      return { name, token: (await people.createToken({ user: name, name: OURS, expiresInMs: TOKEN_MS })).secret };
    };
    const starter = await person("ada", "operator");
    const operator = await person("olga", "operator");
    await people.addToPool(POOL, operator.name);
    const journal = new PostgresJournal({ database, writer, clock: systemClock });
    const close = (): Promise<void> => closers.close();
    return { nats, bank, url, database, journal, bus, starter, operator, [Symbol.asyncDispose]: close };
  } catch (error) {
    await closers.close().catch(() => undefined);
    throw error;
  }
}
