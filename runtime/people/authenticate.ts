import { NotSignedInError } from "../core/errors.ts";
import type { Credential, Identity, PresentedSecret, Principal, Role } from "../core/people.ts";
import type { PeopleContext } from "./context.ts";
import { csrfTokenOf, hashSecret } from "./secrets.ts";

interface PrincipalRow {
  readonly id: string;
  readonly name: string;
  readonly kind: "person" | "service";
  readonly roles: Role[];
  readonly pools: string[];
}

const POOLS = "array(select m.pool from pool_members m where m.user_name = u.name order by m.pool) as pools";

/** A token's roles, as far as its user still has them. */
const TOKEN_ROLES = "array(select r from unnest(t.roles) r where r = any (u.roles)) as roles";

const SIGN_IN_HOLDS = "s.ended_at is null and s.expires_at > clock_timestamp() and u.disabled_at is null";
const TOKEN_HOLDS = "t.revoked_at is null and t.expires_at > clock_timestamp() and u.disabled_at is null";

/**
 * Finds out who presented a secret. One statement by a unique index; the time of last use is written at
 * most once a minute, so that reading pages does not become writing.
 *
 * @throws NotSignedInError
 */
export async function authenticate(context: PeopleContext, presented: PresentedSecret): Promise<Identity> {
  const hash = hashSecret(presented.secret);
  if (presented.kind === "cookie") {
    const [row] = await context.database.query<PrincipalRow>(
      `with found as materialized (
         select s.id, u.name, u.kind, u.roles, ${POOLS}
           from sign_ins s join users u on u.name = s.user_name
          where s.secret_hash = $1 and ${SIGN_IN_HOLDS}
       ), seen as (
         update sign_ins s set last_seen_at = clock_timestamp() from found
          where s.id = found.id and s.last_seen_at < clock_timestamp() - interval '1 minute'
       )
       select * from found`,
      [hash],
      "people_authenticate_cookie",
    );
    if (!row) throw new NotSignedInError("You are not signed in, or your sign-in has ended. Sign in again.");
    return {
      ...toPrincipal(row),
      credential: { kind: "sign_in", id: row.id },
      csrfToken: csrfTokenOf(presented.secret),
    };
  }
  const [row] = await context.database.query<PrincipalRow>(
    `with found as materialized (
       select t.id, u.name, u.kind, ${TOKEN_ROLES}, ${POOLS}
         from tokens t join users u on u.name = t.user_name
        where t.secret_hash = $1 and ${TOKEN_HOLDS}
     ), used as (
       update tokens t set last_used_at = clock_timestamp() from found
        where t.id = found.id and (t.last_used_at is null or t.last_used_at < clock_timestamp() - interval '1 minute')
     )
     select * from found`,
    [hash],
    "people_authenticate_bearer",
  );
  if (!row) {
    throw new NotSignedInError(
      'The token is unknown, revoked or expired. Make a new one with "signalbox users token".',
    );
  }
  return { ...toPrincipal(row), credential: { kind: "token", id: row.id }, csrfToken: null };
}

/** Which of these credentials still vouch for somebody, and for whom, by credential id. One statement. */
export async function recheck(
  context: PeopleContext,
  credentials: readonly Credential[],
): Promise<ReadonlyMap<string, Principal>> {
  const ids = (kind: Credential["kind"]) => credentials.filter((c) => c.kind === kind).map((c) => c.id);
  const rows = await context.database.query<PrincipalRow>(
    `select s.id, u.name, u.kind, u.roles, ${POOLS}
       from sign_ins s join users u on u.name = s.user_name
      where s.id = any ($1::uuid[]) and ${SIGN_IN_HOLDS}
     union all
     select t.id, u.name, u.kind, ${TOKEN_ROLES}, ${POOLS}
       from tokens t join users u on u.name = t.user_name
      where t.id = any ($2::uuid[]) and ${TOKEN_HOLDS}`,
    [ids("sign_in"), ids("token")],
    "people_recheck",
  );
  return new Map(rows.map((row) => [row.id, toPrincipal(row)]));
}

function toPrincipal(row: PrincipalRow): Principal {
  return { name: row.name, kind: row.kind, roles: row.roles, pools: row.pools };
}
