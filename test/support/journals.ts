import { afterAll, beforeAll } from "vitest";
import { createTestDatabase } from "./database.ts";
import { openJournal, type JournalParts, type TestJournal } from "./journal.ts";

export interface Journals {
  /** Two processes' journals on one database. */
  readonly one: JournalParts;
  readonly two: JournalParts;
  /** Of their database, once the file's tests run. */
  readonly url: () => string;
}

/** Two journals on a database of their own, for all tests of a file: opened before the first, closed after the last. */
export function useJournals(): Journals {
  let database: Awaited<ReturnType<typeof createTestDatabase>> | undefined;
  let opened: TestJournal[] = [];
  beforeAll(async () => {
    database = await createTestDatabase();
    opened = [openJournal(database.url), openJournal(database.url)];
  });
  afterAll(async () => {
    for (const journal of opened) await journal[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });
  return {
    one: lazily(() => there(opened[0])),
    two: lazily(() => there(opened[1])),
    url: () => there(database).url,
  };
}

/** Its parts as they are when they are asked for. */
function lazily(journal: () => TestJournal): JournalParts {
  return {
    get database() {
      return journal().database;
    },
    get writer() {
      return journal().writer;
    },
    get journal() {
      return journal().journal;
    },
  };
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("The file's tests have not begun.");
  return value;
}
