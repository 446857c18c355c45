import { NotFoundError } from "../core/errors.ts";
import type { PeopleContext } from "./context.ts";
import { InvalidUserError } from "./errors.ts";
import { findUser, noSuchUser, userName } from "./users.ts";

/** People who may decide a kind of approval. */
export interface Pool {
  readonly name: string;
  readonly members: readonly string[];
}

const POOL_NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/**
 * Puts a user into a pool, and makes the pool if it does not exist. Repeatable.
 *
 * @returns whether the pool was made: a new pool may be a slip of the keyboard, so say it.
 * @throws NotFoundError, InvalidUserError
 */
export async function addToPool(
  context: PeopleContext,
  pool: string,
  typedUser: string,
): Promise<{ readonly poolMade: boolean }> {
  if (!POOL_NAME.test(pool)) {
    throw new InvalidUserError(
      `"${pool}" cannot be a pool's name. Use up to 100 of the letters a to z, digits and . _ -, beginning with a letter or digit.`,
      { details: { pool } },
    );
  }
  const { name } = await findUser(context, typedUser);
  return context.database.transaction(async (sql) => {
    const made = await sql.query("insert into pools (name) values ($1) on conflict do nothing returning name", [pool]);
    await sql.query("insert into pool_members (pool, user_name) values ($1, $2) on conflict do nothing", [pool, name]);
    return { poolMade: made.length > 0 };
  });
}

/** Takes a user out of a pool. Repeatable. @throws NotFoundError if there is no such user or pool */
export async function removeFromPool(context: PeopleContext, pool: string, typedUser: string): Promise<void> {
  const name = userName(typedUser);
  const [known] = await context.database.query<{ user_known: boolean; pool_known: boolean }>(
    `with removed as (delete from pool_members where pool = $1 and user_name = $2)
     select exists (select 1 from users where name = $2) as user_known,
            exists (select 1 from pools where name = $1) as pool_known`,
    [pool, name],
  );
  if (!known?.user_known) throw noSuchUser(name);
  if (!known.pool_known) {
    throw new NotFoundError(`There is no pool "${pool}". "signalbox users pool" lists those that exist.`, {
      details: { pool },
    });
  }
}

/** Every pool with its members, by name. */
export async function listPools(context: PeopleContext): Promise<Pool[]> {
  return context.database.query<{ name: string; members: string[] }>(
    `select p.name, array(select m.user_name from pool_members m where m.pool = p.name order by m.user_name) as members
       from pools p order by p.name`,
  );
}
