import { NotFoundError } from "../core/errors.ts";
import { ROLES, type Principal, type Role } from "../core/people.ts";
import type { PeopleContext } from "./context.ts";
import { InvalidUserError, UserExistsError } from "./errors.ts";
import { hashPassword } from "./passwords.ts";

/** A user as lists show them. Times are milliseconds since the epoch. */
export interface User extends Principal {
  readonly hasPassword: boolean;
  readonly createdAt: number;
  readonly disabledAt: number | null;
  /** When a sign-in or token of theirs was last used, to the minute. */
  readonly lastSeenAt: number | null;
}

export interface NewUser {
  readonly name: string;
  /** Default `person`. A service signs in by token only, and never decides. */
  readonly kind?: "person" | "service";
  readonly roles: readonly Role[];
}

interface UserRow {
  readonly name: string;
  readonly kind: "person" | "service";
  readonly roles: Role[];
  readonly pools: string[];
  readonly has_password: boolean;
  readonly created_at: Date;
  readonly disabled_at: Date | null;
  readonly last_seen_at: Date | null;
}

const USER_NAME = /^[a-z0-9][a-z0-9._@-]{0,99}$/;

/** The form in which names are stored and compared. */
export function userName(typed: string): string {
  return typed.trim().toLowerCase();
}

/** @throws InvalidUserError, UserExistsError */
export async function addUser(context: PeopleContext, user: NewUser): Promise<User> {
  const name = userName(user.name);
  if (!USER_NAME.test(name)) {
    throw new InvalidUserError(
      `"${user.name}" cannot be a user's name. Use up to 100 of the letters a to z, digits and . _ @ -, beginning with a letter or digit.`,
      { details: { user: user.name } },
    );
  }
  assertRoles(user.roles);
  const kind = user.kind ?? "person";
  const rows = await context.database.query(
    "insert into users (name, kind, roles) values ($1, $2, $3) on conflict (name) do nothing returning name",
    [name, kind, unique(user.roles)],
  );
  if (rows.length === 0) {
    throw new UserExistsError(
      `There already is a user "${name}". Names are on the record and are not given twice: choose another, or enable that one again.`,
      { details: { user: name } },
    );
  }
  return findUser(context, name);
}

/** @throws NotFoundError */
export async function findUser(context: PeopleContext, typed: string): Promise<User> {
  const name = userName(typed);
  const [row] = await selectUsers(context, name);
  if (!row) throw noSuchUser(name);
  return toUser(row);
}

/** Everybody, by name. */
export async function listUsers(context: PeopleContext): Promise<User[]> {
  return (await selectUsers(context, null)).map(toUser);
}

/** Replaces a user's roles. @throws NotFoundError, InvalidUserError */
export async function setRoles(context: PeopleContext, typed: string, roles: readonly Role[]): Promise<User> {
  assertRoles(roles);
  const name = userName(typed);
  const rows = await context.database.query("update users set roles = $2 where name = $1 returning name", [
    name,
    unique(roles),
  ]);
  if (rows.length === 0) throw noSuchUser(name);
  return findUser(context, name);
}

/**
 * Sets a person's password and ends their sign-ins: whoever knew the old one is out.
 *
 * @throws NotFoundError, PasswordRefusedError, and InvalidUserError for a service
 */
export async function setPassword(context: PeopleContext, typed: string, password: string): Promise<void> {
  const user = await findUser(context, typed);
  if (user.kind === "service") {
    throw new InvalidUserError(`"${user.name}" is a service, and services have no password. Make a token for it.`, {
      details: { user: user.name },
    });
  }
  await context.database.query(
    `with ended as (
       update sign_ins set ended_at = clock_timestamp() where user_name = $1 and ended_at is null
     )
     update users set password_hash = $2 where name = $1`,
    [user.name, await hashPassword(password)],
  );
}

/**
 * Disables a user: ends every sign-in, revokes every token and voids every sign-in link, in the same
 * statement, so that none of them comes back to life when the user is enabled again. Repeatable.
 *
 * @throws NotFoundError
 */
export async function disableUser(context: PeopleContext, typed: string): Promise<User> {
  const name = userName(typed);
  const rows = await context.database.query(
    `with ended as (
       update sign_ins set ended_at = clock_timestamp() where user_name = $1 and ended_at is null
     ), revoked as (
       update tokens set revoked_at = clock_timestamp() where user_name = $1 and revoked_at is null
     ), voided as (
       update sign_in_codes set used_at = clock_timestamp() where user_name = $1 and used_at is null
     )
     update users set disabled_at = coalesce(disabled_at, clock_timestamp()) where name = $1 returning name`,
    [name],
  );
  if (rows.length === 0) throw noSuchUser(name);
  return findUser(context, name);
}

/** Lets a disabled user sign in again. Repeatable. @throws NotFoundError */
export async function enableUser(context: PeopleContext, typed: string): Promise<User> {
  const name = userName(typed);
  const rows = await context.database.query("update users set disabled_at = null where name = $1 returning name", [
    name,
  ]);
  if (rows.length === 0) throw noSuchUser(name);
  return findUser(context, name);
}

/** True if some enabled person has this role. */
export async function somebodyHas(context: PeopleContext, role: Role): Promise<boolean> {
  const rows = await context.database.query(
    "select 1 from users where kind = 'person' and disabled_at is null and $1 = any (roles) limit 1",
    [role],
  );
  return rows.length > 0;
}

export function noSuchUser(name: string): NotFoundError {
  return new NotFoundError(`There is no user "${name}". "signalbox users ls" lists those that exist.`, {
    details: { user: name },
  });
}

function selectUsers(context: PeopleContext, name: string | null): Promise<UserRow[]> {
  return context.database.query<UserRow>(
    `select u.name, u.kind, u.roles, u.password_hash is not null as has_password, u.created_at, u.disabled_at,
            array(select m.pool from pool_members m where m.user_name = u.name order by m.pool) as pools,
            greatest((select max(s.last_seen_at) from sign_ins s where s.user_name = u.name),
                     (select max(t.last_used_at) from tokens t where t.user_name = u.name)) as last_seen_at
       from users u
      where $1::text is null or u.name = $1
      order by u.name`,
    [name],
  );
}

function toUser(row: UserRow): User {
  return {
    name: row.name,
    kind: row.kind,
    roles: row.roles,
    pools: row.pools,
    hasPassword: row.has_password,
    createdAt: row.created_at.getTime(),
    disabledAt: row.disabled_at?.getTime() ?? null,
    lastSeenAt: row.last_seen_at?.getTime() ?? null,
  };
}

/** Roles come from a command line too, where nothing has checked them. */
export function assertRoles(roles: readonly string[]): asserts roles is readonly Role[] {
  const known: readonly string[] = ROLES;
  const unknown = roles.find((role) => !known.includes(role));
  if (unknown !== undefined) {
    throw new InvalidUserError(`There is no role "${unknown}". The roles are ${ROLES.join(", ")}.`, {
      details: { role: unknown },
    });
  }
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
