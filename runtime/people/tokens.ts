import { NotFoundError } from "../core/errors.ts";
import type { Role } from "../core/people.ts";
import type { PeopleContext } from "./context.ts";
import { InvalidUserError, TokenExistsError } from "./errors.ts";
import { hashSecret, TOKEN_PREFIX } from "./secrets.ts";
import { assertRoles, findUser, userName } from "./users.ts";

/** A token as lists show it: never its secret. Times are milliseconds since the epoch. */
export interface Token {
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly createdAt: number;
  readonly lastUsedAt: number | null;
  readonly expiresAt: number;
  readonly revokedAt: number | null;
}

export interface NewToken {
  readonly user: string;
  /** What it is for; unique among the user's unrevoked tokens. */
  readonly name: string;
  /** Default: the user's roles. The token never has a role that its user lacks, now or later. */
  readonly roles?: readonly Role[];
  /** Milliseconds. */
  readonly expiresInMs: number;
}

interface TokenRow {
  readonly id: string;
  readonly user_name: string;
  readonly name: string;
  readonly roles: Role[];
  readonly created_at: Date;
  readonly last_used_at: Date | null;
  readonly expires_at: Date;
  readonly revoked_at: Date | null;
}

const COLUMNS = "id, user_name, name, roles, created_at, last_used_at, expires_at, revoked_at";
const MAX_NAME = 100;
const MAX_LIFE_MS = 10 * 365 * 24 * 60 * 60_000;

/**
 * Makes a token. The secret is in the answer and nowhere else: it cannot be shown again.
 *
 * @throws NotFoundError, TokenExistsError, InvalidUserError
 */
export async function createToken(
  context: PeopleContext,
  token: NewToken,
): Promise<{ readonly token: Token; readonly secret: string }> {
  const user = await findUser(context, token.user);
  const roles = token.roles ?? user.roles;
  assertRoles(roles);
  const beyond = roles.find((role) => !user.roles.includes(role));
  if (beyond !== undefined) {
    throw new InvalidUserError(
      `A token of "${user.name}" cannot have the role "${beyond}", because "${user.name}" does not have it.`,
      { details: { user: user.name, role: beyond } },
    );
  }
  if (token.name.length < 1 || token.name.length > MAX_NAME) {
    throw new InvalidUserError(`A token's name has 1 to ${String(MAX_NAME)} characters.`);
  }
  if (!(token.expiresInMs > 0 && token.expiresInMs <= MAX_LIFE_MS)) {
    throw new InvalidUserError("A token has to expire: after more than nothing and within ten years.");
  }
  const secret = TOKEN_PREFIX + context.newSecret();
  const [row] = await context.database.query<TokenRow>(
    `insert into tokens (id, secret_hash, user_name, name, roles, expires_at)
     values ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 millisecond')
     on conflict (user_name, name) where revoked_at is null do nothing
     returning ${COLUMNS}`,
    [context.ids.next(), hashSecret(secret), user.name, token.name, [...new Set(roles)], token.expiresInMs],
  );
  if (!row) {
    throw new TokenExistsError(
      `"${user.name}" already has a token named "${token.name}". Revoke it, or choose another name.`,
      { details: { user: user.name, token: token.name } },
    );
  }
  return { token: toToken(row), secret };
}

/** Tokens of one user or of everybody, newest first; revoked and expired ones too. */
export async function listTokens(context: PeopleContext, user?: string): Promise<Token[]> {
  const rows = await context.database.query<TokenRow>(
    `select ${COLUMNS} from tokens where $1::text is null or user_name = $1 order by created_at desc, id`,
    [user === undefined ? null : userName(user)],
  );
  return rows.map(toToken);
}

/** Revokes a user's token by its name. @throws NotFoundError if there is no such unrevoked token */
export async function revokeToken(context: PeopleContext, user: string, name: string): Promise<Token> {
  const [row] = await context.database.query<TokenRow>(
    `update tokens set revoked_at = clock_timestamp()
      where user_name = $1 and name = $2 and revoked_at is null
      returning ${COLUMNS}`,
    [userName(user), name],
  );
  if (!row) {
    throw new NotFoundError(
      `"${user}" has no token named "${name}" that could be revoked. "signalbox users token ls" lists tokens.`,
      { details: { user, token: name } },
    );
  }
  return toToken(row);
}

function toToken(row: TokenRow): Token {
  return {
    id: row.id,
    user: row.user_name,
    name: row.name,
    roles: row.roles,
    createdAt: row.created_at.getTime(),
    lastUsedAt: row.last_used_at?.getTime() ?? null,
    expiresAt: row.expires_at.getTime(),
    revokedAt: row.revoked_at?.getTime() ?? null,
  };
}
