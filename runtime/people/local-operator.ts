import { NotFoundError } from "../core/errors.ts";
import type { People } from "./people.ts";
import { signInLink } from "./sign-in-link.ts";

/** The name of the person that `npm start` makes on a machine where nobody can sign in yet. */
const LOCAL_OPERATOR = "operator";

export interface LocalOperator {
  readonly name: string;
  /** True if this call made the user. */
  readonly made: boolean;
  /** Signs in once, within ten minutes. Show it to the person at this terminal; write it to no log. */
  readonly link: string;
  readonly expiresAt: number;
}

/**
 * For `npm start`: makes a local operator if no enabled person is an operator yet, and a one-time
 * sign-in link for them. May be called at every start: the user stays, each link is new.
 *
 * @param options.url where the console listens, as `createConsole` returned it
 * @param options.pools the pools that the loaded rules name; the local operator is put into all of them
 * @returns null where the operators are other people, who have their own ways to sign in
 */
export async function welcomeLocalOperator(options: {
  readonly people: People;
  readonly url: string;
  readonly pools: readonly string[];
}): Promise<LocalOperator | null> {
  const { people, url, pools } = options;
  const existing = await people.findUser(LOCAL_OPERATOR).catch((error: unknown) => {
    if (error instanceof NotFoundError) return null;
    throw error;
  });
  if (existing ? existing.kind !== "person" || existing.disabledAt !== null : await people.somebodyHas("operator")) {
    return null;
  }
  if (!existing) await people.addUser({ name: LOCAL_OPERATOR, roles: ["operator", "auditor", "admin"] });
  for (const pool of pools) await people.addToPool(pool, LOCAL_OPERATOR);
  const { code, expiresAt } = await people.createSignInCode(LOCAL_OPERATOR);
  return { name: LOCAL_OPERATOR, made: existing === null, link: signInLink(url, code), expiresAt };
}
