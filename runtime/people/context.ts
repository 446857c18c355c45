import type { Database } from "../core/database.ts";
import type { Ids } from "../core/ids.ts";

/** How long things last. All of it is measured by the database's clock. */
export interface PeopleSettings {
  /** A sign-in ends after this long, used or not. Default 12 hours. */
  readonly signInMs: number;
  /** A one-time sign-in link works for this long. Default 10 minutes. */
  readonly codeMs: number;
  /** So many passwords may be tried for one name … Default 5. */
  readonly passwordTries: number;
  /** … within this time, counted from the first. Default 15 minutes. */
  readonly passwordTriesMs: number;
}

export const DEFAULT_PEOPLE_SETTINGS: PeopleSettings = {
  signInMs: 12 * 60 * 60_000,
  codeMs: 10 * 60_000,
  passwordTries: 5,
  passwordTriesMs: 15 * 60_000,
};

/** What the functions of this folder work with. */
export interface PeopleContext {
  readonly database: Database;
  readonly ids: Ids;
  /** Gives a secret of 32 random bytes, as text. */
  readonly newSecret: () => string;
  readonly settings: PeopleSettings;
}
