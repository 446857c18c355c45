import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../../runtime/core/database.ts";
import { NotFoundError, NotSignedInError } from "../../../runtime/core/errors.ts";
import { openDatabase } from "../../../runtime/journal/database.ts";
import { DEFAULT_PEOPLE_SETTINGS } from "../../../runtime/people/context.ts";
import {
  InvalidUserError,
  PasswordRefusedError,
  SignInCodeRefusedError,
  SignInFailedError,
  SignInLockedError,
  TokenExistsError,
  UserExistsError,
} from "../../../runtime/people/errors.ts";
import { createPeople, type People } from "../../../runtime/people/index.ts";
import { createTestDatabase } from "../../support/database.ts";

const FROM = { address: "127.0.0.1", userAgent: "test" };
const PASSWORD = "correct horse battery";

let database: Database;
let drop: () => Promise<void>;
let people: People;

beforeAll(async () => {
  const created = await createTestDatabase();
  database = openDatabase({ url: created.url });
  people = createPeople({ database });
  drop = async () => {
    await database.end();
    await created[Symbol.asyncDispose]();
  };
});
afterAll(() => drop());

/** Lets time pass for everything that expires: moves it all into the past. */
async function pass(ms: number): Promise<void> {
  const by = "$1 * interval '1 millisecond'";
  await database.query(`update sign_ins set expires_at = expires_at - ${by}, last_seen_at = last_seen_at - ${by}`, [
    ms,
  ]);
  await database.query(`update sign_in_codes set expires_at = expires_at - ${by}`, [ms]);
  await database.query(`update sign_in_tries set window_ends_at = window_ends_at - ${by}`, [ms]);
  await database.query(`update tokens set expires_at = expires_at - ${by}`, [ms]);
}

describe("users", () => {
  test("user - is added with roles and pools and found under any spelling of the name", async () => {
    await people.addUser({ name: " Ada ", roles: ["operator", "operator", "auditor"] });
    expect(await people.addToPool("claims", "ada")).toEqual({ poolMade: true });
    expect(await people.addToPool("claims", "ADA")).toEqual({ poolMade: false });
    const ada = await people.findUser("ADA");
    expect(ada).toMatchObject({ name: "ada", kind: "person", roles: ["operator", "auditor"], pools: ["claims"] });
    expect(ada).toMatchObject({ hasPassword: false, disabledAt: null, lastSeenAt: null });
    expect(await people.listPools()).toContainEqual({ name: "claims", members: ["ada"] });
    await people.removeFromPool("claims", "ada");
    expect((await people.findUser("ada")).pools).toEqual([]);
  });

  test("user - a name is never given twice, not even after the user was disabled", async () => {
    await people.addUser({ name: "bob", roles: [] });
    await people.disableUser("bob");
    await expect(people.addUser({ name: "Bob", roles: ["admin"] })).rejects.toThrow(UserExistsError);
  });

  test.each(["", "two words", "ädä", "-x", "a".repeat(101)])("user - refuses the name %j", async (name) => {
    await expect(people.addUser({ name, roles: [] })).rejects.toThrow(InvalidUserError);
  });

  test("user - unknown users, roles and pools are named in the refusal", async () => {
    await expect(people.findUser("nobody")).rejects.toThrow(NotFoundError);
    await expect(people.setRoles("nobody", ["viewer"])).rejects.toThrow('"nobody"');
    await expect(people.setRoles("ada", ["god" as "admin"])).rejects.toThrow('no role "god"');
    await expect(people.addToPool("claims", "nobody")).rejects.toThrow(NotFoundError);
    await expect(people.addToPool("No Pool", "ada")).rejects.toThrow(InvalidUserError);
    await expect(people.removeFromPool("no-pool", "ada")).rejects.toThrow('no pool "no-pool"');
    expect((await people.listPools()).map((pool) => pool.name)).not.toContain("no-pool");
  });
});

describe("passwords", () => {
  test("password - is stored as argon2id and signs in, however its accents are typed", async () => {
    await people.addUser({ name: "carl", roles: ["viewer"] });
    await people.setPassword("carl", "Zoë likes cafés");
    const [row] = await database.query<{ password_hash: string }>(
      "select password_hash from users where name = 'carl'",
    );
    expect(row?.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    const { identity, secret } = await people.signIn({
      name: "Carl",
      password: "Zoë likes cafés".normalize("NFD"),
      from: FROM,
    });
    expect(identity).toMatchObject({ name: "carl", kind: "person", roles: ["viewer"] });
    expect(await people.authenticate({ kind: "cookie", secret })).toEqual(identity);
  });

  test("password - too short or absurdly long is refused, and a service has none", async () => {
    await people.addUser({ name: "feed", kind: "service", roles: ["operator"] });
    await expect(people.setPassword("carl", "short")).rejects.toThrow(PasswordRefusedError);
    await expect(people.setPassword("carl", "x".repeat(1001))).rejects.toThrow(PasswordRefusedError);
    await expect(people.setPassword("feed", PASSWORD)).rejects.toThrow(InvalidUserError);
    await expect(people.createSignInCode("feed")).rejects.toThrow(InvalidUserError);
  });

  test("password - a new one ends the sign-ins that the old one opened", async () => {
    await people.addUser({ name: "dora", roles: ["viewer"] });
    await people.setPassword("dora", PASSWORD);
    const { secret } = await people.signIn({ name: "dora", password: PASSWORD, from: FROM });
    await people.setPassword("dora", `${PASSWORD} staple`);
    await expect(people.authenticate({ kind: "cookie", secret })).rejects.toThrow(NotSignedInError);
  });

  test("password - a wrong one, an unknown name and a disabled user get the same answer", async () => {
    await people.addUser({ name: "erin", roles: [] });
    await people.setPassword("erin", PASSWORD);
    await people.disableUser("erin");
    const answers = await Promise.all(
      ["dora", "erin", "not-a-user", "feed"].map((name) =>
        people.signIn({ name, password: PASSWORD, from: FROM }).then(
          () => "signed in",
          (error: unknown) => (error instanceof SignInFailedError ? error.message : "another error"),
        ),
      ),
    );
    expect(new Set(answers)).toEqual(new Set(["The name or the password is wrong. Check both and try again."]));
  });
});

describe("lockout", () => {
  test("lockout - twenty guesses at once get five looked at, and then the right password is refused too", async () => {
    await people.addUser({ name: "fred", roles: [] });
    await people.setPassword("fred", PASSWORD);
    const guesses = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        people.signIn({ name: "fred", password: `guess number ${String(i)}`, from: FROM }).catch((e: unknown) => e),
      ),
    );
    expect(guesses.filter((e) => e instanceof SignInFailedError)).toHaveLength(5);
    expect(guesses.filter((e) => e instanceof SignInLockedError)).toHaveLength(15);
    const refusal = await people.signIn({ name: "FRED", password: PASSWORD, from: FROM }).catch((e: unknown) => e);
    expect(refusal).toBeInstanceOf(SignInLockedError);
    expect((refusal as SignInLockedError).details["retryAfterS"]).toBeGreaterThan(800);
  });

  test("lockout - ends after a quarter of an hour, and a one-time link goes around it", async () => {
    const { code } = await people.createSignInCode("fred");
    await expect(people.signInWithCode({ code, from: FROM })).resolves.toMatchObject({ identity: { name: "fred" } });
    await pass(15 * 60_000);
    await expect(people.signIn({ name: "fred", password: PASSWORD, from: FROM })).resolves.toBeDefined();
  });

  test("lockout - a name that does not exist is locked like one that does", async () => {
    const tries = [];
    for (let i = 0; i < 6; i++) {
      tries.push(await people.signIn({ name: "ghost", password: PASSWORD, from: FROM }).catch((e: unknown) => e));
    }
    expect(tries.slice(0, 5).every((e) => e instanceof SignInFailedError)).toBe(true);
    expect(tries[5]).toBeInstanceOf(SignInLockedError);
  });

  test("lockout - signing in forgets earlier wrong tries", async () => {
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 3; i++) {
        await expect(people.signIn({ name: "fred", password: "wrong one", from: FROM })).rejects.toThrow(
          SignInFailedError,
        );
      }
      await people.signIn({ name: "fred", password: PASSWORD, from: FROM });
    }
  });
});

describe("one-time links", () => {
  test("link - signs in once, also when two use it at the same moment", async () => {
    const { code } = await people.createSignInCode("ada");
    const uses = await Promise.allSettled([1, 2, 3].map(() => people.signInWithCode({ code, from: FROM })));
    expect(uses.filter((use) => use.status === "fulfilled")).toHaveLength(1);
    await expect(people.signInWithCode({ code, from: FROM })).rejects.toThrow(SignInCodeRefusedError);
  });

  test("link - works for ten minutes", async () => {
    const { code: late } = await people.createSignInCode("ada");
    await pass(10 * 60_000);
    await expect(people.signInWithCode({ code: late, from: FROM })).rejects.toThrow(SignInCodeRefusedError);
    const { code: early } = await people.createSignInCode("ada");
    await pass(9 * 60_000);
    await expect(people.signInWithCode({ code: early, from: FROM })).resolves.toBeDefined();
  });

  test("link - is dead for good once its user was disabled", async () => {
    await people.addUser({ name: "gina", roles: [] });
    const { code } = await people.createSignInCode("gina");
    await people.disableUser("gina");
    await people.enableUser("gina");
    await expect(people.signInWithCode({ code, from: FROM })).rejects.toThrow(SignInCodeRefusedError);
  });
});

describe("sign-ins and tokens", () => {
  test("sign-in - ends after twelve hours, at sign-out, and when the user is disabled, even if enabled again", async () => {
    expect(DEFAULT_PEOPLE_SETTINGS.signInMs).toBe(12 * 3_600_000);
    const open = async () => people.signInWithCode({ code: (await people.createSignInCode("ada")).code, from: FROM });
    const [expired, left] = [await open(), await open()];
    await pass(12 * 3_600_000);
    const disabled = await open();
    const valid = (secret: string) =>
      people.authenticate({ kind: "cookie", secret }).then(
        () => true,
        (error: unknown) => !(error instanceof NotSignedInError),
      );
    expect(await valid(expired.secret)).toBe(false);
    expect(await valid(left.secret)).toBe(false);
    expect(await valid(disabled.secret)).toBe(true);
    const other = await open();
    await people.signOut(other.identity.credential.id);
    await people.signOut(other.identity.credential.id);
    expect(await valid(other.secret)).toBe(false);
    await people.disableUser("ada");
    await people.enableUser("ada");
    expect(await valid(disabled.secret)).toBe(false);
  });

  test("sign-in - a cookie's secret is no token, and a token no cookie", async () => {
    const { secret } = await people.signInWithCode({ code: (await people.createSignInCode("ada")).code, from: FROM });
    const token = await people.createToken({ user: "ada", name: "mixup", expiresInMs: 60_000 });
    await expect(people.authenticate({ kind: "bearer", secret })).rejects.toThrow(NotSignedInError);
    await expect(people.authenticate({ kind: "cookie", secret: token.secret })).rejects.toThrow(NotSignedInError);
  });

  test("token - authenticates until it is revoked or expires, and its name can then be used again", async () => {
    const make = () => people.createToken({ user: "feed", name: "nightly", expiresInMs: 3_600_000 });
    const first = await make();
    expect(first.secret).toMatch(/^signalbox_[\w-]{43}$/);
    await expect(make()).rejects.toThrow(TokenExistsError);
    const who = await people.authenticate({ kind: "bearer", secret: first.secret });
    expect(who).toMatchObject({ name: "feed", kind: "service", roles: ["operator"], csrfToken: null });
    await people.revokeToken("feed", "nightly");
    await expect(people.authenticate({ kind: "bearer", secret: first.secret })).rejects.toThrow(NotSignedInError);
    await expect(people.revokeToken("feed", "nightly")).rejects.toThrow(NotFoundError);
    const second = await make();
    await pass(3_600_000);
    await expect(people.authenticate({ kind: "bearer", secret: second.secret })).rejects.toThrow(NotSignedInError);
  });

  test("token - never has a role that its user lacks, not even one taken away later", async () => {
    await people.addUser({ name: "hal", roles: ["operator", "viewer"] });
    await expect(people.createToken({ user: "hal", name: "t", roles: ["admin"], expiresInMs: 60_000 })).rejects.toThrow(
      InvalidUserError,
    );
    const { secret, token } = await people.createToken({ user: "hal", name: "t", expiresInMs: 60_000 });
    await people.setRoles("hal", ["viewer", "admin"]);
    const who = await people.authenticate({ kind: "bearer", secret });
    expect(who.roles).toEqual(["viewer"]);
    expect((await people.recheck([who.credential])).get(token.id)).toMatchObject({ name: "hal", roles: ["viewer"] });
    await people.disableUser("hal");
    expect((await people.recheck([who.credential])).size).toBe(0);
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 11 * 365 * 86_400_000])(
    "token - has to expire: %s ms is refused",
    async (expiresInMs) => {
      await expect(people.createToken({ user: "ada", name: "forever", expiresInMs })).rejects.toThrow(InvalidUserError);
    },
  );

  test("database - holds no secret that was handed out", async () => {
    await people.addUser({ name: "ivy", roles: ["viewer"] });
    await people.setPassword("ivy", PASSWORD);
    const code = (await people.createSignInCode("ivy")).code;
    const token = (await people.createToken({ user: "ivy", name: "t", expiresInMs: 60_000 })).secret;
    const signIn = await people.signIn({ name: "ivy", password: PASSWORD, from: FROM });
    const tables = ["users", "pools", "pool_members", "sign_ins", "sign_in_codes", "sign_in_tries", "tokens"];
    const rows = await Promise.all(
      tables.map((table) => database.query<{ text: string }>(`select t::text as text from ${table} t`)),
    );
    const everything = rows
      .flat()
      .map((row) => row.text)
      .join("\n");
    expect(everything).toContain("ivy");
    for (const secret of [PASSWORD, code, token, signIn.secret, signIn.identity.csrfToken ?? "?"]) {
      expect(everything).not.toContain(secret);
      expect(everything).not.toContain(Buffer.from(secret).toString("hex"));
    }
  });
});
