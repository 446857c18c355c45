import type { Sql } from "../core/database.ts";
import type { NewSignIn, Role, SignInOrigin } from "../core/people.ts";
import type { PeopleContext } from "./context.ts";
import { InvalidUserError, SignInCodeRefusedError, SignInFailedError, SignInLockedError } from "./errors.ts";
import { verifyPassword } from "./passwords.ts";
import { csrfTokenOf, hashSecret } from "./secrets.ts";
import { findUser, userName } from "./users.ts";

/**
 * Signs a person in by password.
 *
 * A name gets a few tries in a window of time, whether it exists or not. The try is counted before the
 * password is looked at: a thousand guesses sent at once are still only that few.
 *
 * @throws SignInFailedError if name or password is wrong; SignInLockedError after too many tries, also
 *   for the right password, with `details.retryAfterS`.
 */
export async function signIn(
  context: PeopleContext,
  input: { readonly name: string; readonly password: string; readonly from: SignInOrigin },
): Promise<NewSignIn> {
  const name = userName(input.name);
  await countTry(context, name);
  const [user] = await context.database.query<{ password_hash: string | null }>(
    "select password_hash from users where name = $1 and disabled_at is null",
    [name],
  );
  if (!(await verifyPassword(user?.password_hash ?? null, input.password))) throw signInFailed();
  await forgetTries(context, name);
  const made = await openSignIn(context, context.database, name, input.from);
  if (!made) throw signInFailed();
  return made;
}

/**
 * Signs a person in by a one-time link's code. Not subject to the lockout: a code cannot be guessed.
 *
 * @throws SignInCodeRefusedError if the code has been used, has expired or never existed
 */
export async function signInWithCode(
  context: PeopleContext,
  input: { readonly code: string; readonly from: SignInOrigin },
): Promise<NewSignIn> {
  const made = await context.database.transaction(async (sql) => {
    // Of two who use a code at once, the second waits for the row and then finds it used.
    const [used] = await sql.query<{ user_name: string }>(
      `update sign_in_codes set used_at = clock_timestamp()
        where code_hash = $1 and used_at is null and expires_at > clock_timestamp()
        returning user_name`,
      [hashSecret(input.code)],
    );
    return used ? openSignIn(context, sql, used.user_name, input.from) : undefined;
  });
  if (!made) {
    throw new SignInCodeRefusedError(
      'This sign-in link has been used or has expired. Sign in with your password, or get a new link with "signalbox users link NAME".',
    );
  }
  return made;
}

/**
 * Makes a code for a one-time sign-in link. It signs in whoever has it: show it to that person only,
 * and write it to no log.
 *
 * @throws NotFoundError, and InvalidUserError for a service or a disabled user
 */
export async function createSignInCode(
  context: PeopleContext,
  typedUser: string,
): Promise<{ readonly code: string; readonly expiresAt: number }> {
  const user = await findUser(context, typedUser);
  if (user.kind === "service" || user.disabledAt !== null) {
    const why = user.kind === "service" ? "is a service: make a token for it" : "is disabled: enable it first";
    throw new InvalidUserError(`There is no sign-in link for "${user.name}", which ${why}.`, {
      details: { user: user.name },
    });
  }
  const code = context.newSecret();
  const [row] = await context.database.query<{ expires_at: Date }>(
    `with forgotten as (
       delete from sign_in_codes where expires_at < clock_timestamp() - interval '1 day'
     )
     insert into sign_in_codes (code_hash, user_name, expires_at)
     values ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
     returning expires_at`,
    [hashSecret(code), user.name, context.settings.codeMs],
  );
  if (!row) throw new Error("An insert gave no row back.");
  return { code, expiresAt: row.expires_at.getTime() };
}

/** Ends a sign-in. Repeatable. */
export async function signOut(context: PeopleContext, id: string): Promise<void> {
  await context.database.query("update sign_ins set ended_at = clock_timestamp() where id = $1 and ended_at is null", [
    id,
  ]);
}

/** Makes the sign-in, unless the user was disabled a moment ago. */
async function openSignIn(
  context: PeopleContext,
  sql: Sql,
  name: string,
  from: SignInOrigin,
): Promise<NewSignIn | undefined> {
  const id = context.ids.next();
  const secret = context.newSecret();
  const [row] = await sql.query<{ roles: Role[]; pools: string[]; expires_at: Date }>(
    `with made as (
       insert into sign_ins (id, secret_hash, user_name, address, user_agent, expires_at)
       select $1, $2, u.name, $4, $5, clock_timestamp() + $6 * interval '1 millisecond'
         from users u where u.name = $3 and u.kind = 'person' and u.disabled_at is null
       returning user_name, expires_at
     )
     select u.roles, made.expires_at,
            array(select m.pool from pool_members m where m.user_name = u.name order by m.pool) as pools
       from made join users u on u.name = made.user_name`,
    [id, hashSecret(secret), name, from.address, from.userAgent.slice(0, 300), context.settings.signInMs],
  );
  if (!row) return undefined;
  return {
    identity: {
      name,
      kind: "person",
      roles: row.roles,
      pools: row.pools,
      credential: { kind: "sign_in", id },
      csrfToken: csrfTokenOf(secret),
    },
    secret,
    expiresAt: row.expires_at.getTime(),
  };
}

async function countTry(context: PeopleContext, name: string): Promise<void> {
  const { passwordTries, passwordTriesMs } = context.settings;
  const [row] = await context.database.query<{ tries: number; left_s: number }>(
    `insert into sign_in_tries as t (name_hash, tries, window_ends_at)
     values ($1, 1, clock_timestamp() + $2 * interval '1 millisecond')
     on conflict (name_hash) do update
       set tries = case when t.window_ends_at <= clock_timestamp() then 1 else t.tries + 1 end,
           window_ends_at = case when t.window_ends_at <= clock_timestamp() then excluded.window_ends_at
                                 else t.window_ends_at end
     returning tries, ceil(extract(epoch from window_ends_at - clock_timestamp()))::int as left_s`,
    [hashSecret(name), passwordTriesMs],
  );
  if (!row || row.tries <= passwordTries) return;
  const minutes = Math.max(1, Math.ceil(row.left_s / 60));
  throw new SignInLockedError(
    `Too many sign-ins were tried with this name. Try again in ${String(minutes)} min, or use a one-time link from "signalbox users link NAME".`,
    { details: { retryAfterS: Math.max(1, row.left_s) } },
  );
}

/** The right password was given: the name's tries are forgotten, and with them windows that are over. */
async function forgetTries(context: PeopleContext, name: string): Promise<void> {
  await context.database.query(
    `delete from sign_in_tries where name_hash in (
       select name_hash from sign_in_tries
        where name_hash = $1 or window_ends_at <= clock_timestamp()
          for update skip locked)`,
    [hashSecret(name)],
  );
}

function signInFailed(): SignInFailedError {
  return new SignInFailedError("The name or the password is wrong. Check both and try again.");
}
