import { hash, verify } from "@node-rs/argon2";
import { PasswordRefusedError } from "./errors.ts";

const MIN_CHARACTERS = 12;
const MAX_CHARACTERS = 1000;

/** argon2id (the library's default algorithm) with the least cost that OWASP's password storage cheat sheet names. */
export const ARGON2_COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/**
 * A hash of a password that nobody has, made at the same cost: it is checked where there is no password
 * to check, so that the time an answer takes does not tell which names exist. A test compares the costs.
 */
export const DECOY_HASH =
  "$argon2id$v=19$m=19456,t=2,p=1$VZIaeXv+P4BrekZDkUlibQ$iyvWDavOz24/ysSDuA9ImT/Tl7Oea432Dq4TtHJyDho";

/**
 * Hashes a new password. Runs in a thread pool, about 20 ms and 19 MiB.
 *
 * @throws {@link PasswordRefusedError} if it has fewer than 12 or more than 1,000 characters.
 */
export async function hashPassword(password: string): Promise<string> {
  const characters = Array.from(normalise(password)).length;
  if (characters < MIN_CHARACTERS || characters > MAX_CHARACTERS) {
    throw new PasswordRefusedError(
      `The password has ${String(characters)} characters. Choose one with at least ${String(MIN_CHARACTERS)} and at most ${String(MAX_CHARACTERS)}; a few random words are good.`,
    );
  }
  return hash(normalise(password), ARGON2_COST);
}

/** Checks a password; with no hash to check against it does the same work and says no. */
export async function verifyPassword(storedHash: string | null, password: string): Promise<boolean> {
  const matches = await verify(storedHash ?? DECOY_HASH, normalise(password));
  return matches && storedHash !== null;
}

/** One password typed on two keyboards can be two sequences of code points. */
function normalise(password: string): string {
  return password.normalize("NFKC");
}
