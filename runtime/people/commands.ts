import type { JsonValue } from "../core/json.ts";
import { assertRoles } from "./users.ts";
import { InvalidUserError } from "./errors.ts";
import type { People } from "./people.ts";
import { signInLink } from "./sign-in-link.ts";

/** What a command has to say: `data` for `--json`, `text` for people. */
export interface CommandAnswer {
  readonly data: JsonValue;
  readonly text: string;
}

/** `signalbox users add NAME [--role R,R] [--pool P,P] [--service]` */
export async function usersAdd(
  people: People,
  input: { readonly name: string; readonly roles: string; readonly pools: string; readonly service: boolean },
): Promise<CommandAnswer> {
  const roles = splitList(input.roles);
  assertRoles(roles);
  const user = await people.addUser({ name: input.name, kind: input.service ? "service" : "person", roles });
  const notes: string[] = [];
  for (const pool of splitList(input.pools)) {
    if ((await people.addToPool(pool, user.name)).poolMade) notes.push(`The pool "${pool}" is new.`);
  }
  notes.push(
    user.kind === "service"
      ? `Make a token with "signalbox users token ${user.name} --name NAME --expires 90d".`
      : `Set a password with "signalbox users password ${user.name}", or make a one-time sign-in link with "signalbox users link ${user.name}".`,
  );
  const found = await people.findUser(user.name);
  return { data: { ...found }, text: [`Added the ${user.kind} "${user.name}".`, ...notes].join("\n") };
}

/** `signalbox users ls` */
export async function usersList(people: People): Promise<CommandAnswer> {
  const users = await people.listUsers();
  const rows = users.map((user) => [
    user.name,
    user.kind,
    user.roles.join(",") || "-",
    user.pools.join(",") || "-",
    user.disabledAt === null ? "" : "disabled",
  ]);
  return {
    data: { users: users.map((user) => ({ ...user })) },
    text: rows.length === 0 ? "There are no users yet." : table([["NAME", "KIND", "ROLES", "POOLS", ""], ...rows]),
  };
}

/** `signalbox users roles NAME --role R,R` */
export async function usersRoles(people: People, name: string, list: string): Promise<CommandAnswer> {
  const roles = splitList(list);
  assertRoles(roles);
  const user = await people.setRoles(name, roles);
  return { data: { ...user }, text: `"${user.name}" now has ${user.roles.join(", ") || "no role"}.` };
}

/** `signalbox users disable NAME` */
export async function usersDisable(people: People, name: string): Promise<CommandAnswer> {
  const user = await people.disableUser(name);
  return { data: { ...user }, text: `"${user.name}" is disabled: all sign-ins have ended and all tokens are revoked.` };
}

/** `signalbox users enable NAME` */
export async function usersEnable(people: People, name: string): Promise<CommandAnswer> {
  const user = await people.enableUser(name);
  return { data: { ...user }, text: `"${user.name}" may sign in again. Tokens that were revoked stay revoked.` };
}

/** `signalbox users password NAME`; the caller reads the password from the terminal or from standard input. */
export async function usersPassword(people: People, name: string, password: string): Promise<CommandAnswer> {
  await people.setPassword(name, password);
  return { data: { name }, text: `The password of "${name}" is set, and earlier sign-ins have ended.` };
}

/** `signalbox users link NAME` */
export async function usersLink(people: People, name: string, consoleUrl: string): Promise<CommandAnswer> {
  const { code, expiresAt } = await people.createSignInCode(name);
  const link = signInLink(consoleUrl, code);
  return { data: { name, link, expiresAt }, text: `Signs "${name}" in once, until ${time(expiresAt)}:\n${link}` };
}

/** `signalbox users token NAME --name TOKEN [--role R,R] --expires 90d` */
export async function usersToken(
  people: People,
  input: { readonly user: string; readonly name: string; readonly roles?: string; readonly expires: string },
): Promise<CommandAnswer> {
  const roles = input.roles === undefined ? undefined : splitList(input.roles);
  if (roles) assertRoles(roles);
  const made = await people.createToken({
    user: input.user,
    name: input.name,
    expiresInMs: parseDuration(input.expires),
    ...(roles ? { roles } : {}),
  });
  return {
    data: { ...made.token, secret: made.secret },
    text: `The token "${made.token.name}" of "${made.token.user}" works until ${time(made.token.expiresAt)}. It is shown only now:\n${made.secret}`,
  };
}

/** `signalbox users token ls [NAME]` */
export async function usersTokens(people: People, user?: string): Promise<CommandAnswer> {
  const tokens = await people.listTokens(user);
  const rows = tokens.map((token) => [
    token.user,
    token.name,
    token.roles.join(",") || "-",
    time(token.expiresAt),
    token.revokedAt === null ? "" : "revoked",
  ]);
  return {
    data: { tokens: tokens.map((token) => ({ ...token })) },
    text: rows.length === 0 ? "There are no tokens." : table([["USER", "NAME", "ROLES", "EXPIRES", ""], ...rows]),
  };
}

/** `signalbox users token revoke NAME TOKEN` */
export async function usersRevokeToken(people: People, user: string, name: string): Promise<CommandAnswer> {
  const token = await people.revokeToken(user, name);
  return { data: { ...token }, text: `The token "${token.name}" of "${token.user}" is revoked.` };
}

/** `signalbox users pool` lists; `users pool NAME POOL` puts in; with `--remove` takes out. */
export async function usersPool(
  people: People,
  change?: { readonly user: string; readonly pool: string; readonly remove: boolean },
): Promise<CommandAnswer> {
  if (change) {
    const { user, pool, remove } = change;
    if (remove) {
      await people.removeFromPool(pool, user);
      return { data: { user, pool, member: false }, text: `"${user}" is no longer in the pool "${pool}".` };
    }
    const { poolMade } = await people.addToPool(pool, user);
    const text = `"${user}" is in the pool "${pool}"${poolMade ? ", which is new" : ""}.`;
    return { data: { user, pool, member: true, poolMade }, text };
  }
  const pools = await people.listPools();
  const rows = pools.map((pool) => [pool.name, pool.members.join(",") || "-"]);
  return {
    data: { pools: pools.map((pool) => ({ ...pool })) },
    text: rows.length === 0 ? "There are no pools yet." : table([["POOL", "MEMBERS"], ...rows]),
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30m`, `12h` or `90d`, in milliseconds. @throws InvalidUserError */
export function parseDuration(text: string): number {
  const match = /^([1-9][0-9]{0,5})([mhd])$/.exec(text.trim());
  const unitMs = UNIT_MS[match?.[2] ?? ""];
  if (!match || unitMs === undefined) {
    throw new InvalidUserError(`"${text}" is not a length of time. Write minutes, hours or days: 30m, 12h, 90d.`);
  }
  return Number(match[1]) * unitMs;
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function time(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").slice(0, 16) + " UTC";
}

/** Columns padded to the widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
