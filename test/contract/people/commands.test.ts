import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../../../runtime/journal/database.ts";
import { InvalidUserError } from "../../../runtime/people/errors.ts";
import { commands, createPeople, welcomeLocalOperator, type People } from "../../../runtime/people/index.ts";
import { createTestDatabase } from "../../support/database.ts";

const FROM = { address: "127.0.0.1", userAgent: "test" };
const URL_OF_CONSOLE = "http://127.0.0.1:4400";

let people: People;
let drop: () => Promise<void>;

beforeAll(async () => {
  const created = await createTestDatabase();
  const database = openDatabase({ url: created.url });
  people = createPeople({ database });
  drop = async () => {
    await database.end();
    await created[Symbol.asyncDispose]();
  };
});
afterAll(() => drop());

test("local operator - is made once, is in the rules' pools, and gets a new link at every start", async () => {
  const welcome = () => welcomeLocalOperator({ people, url: URL_OF_CONSOLE, pools: ["claims", "finance"] });
  const first = await welcome();
  const second = await welcome();
  expect(first).toMatchObject({ name: "operator", made: true });
  expect(second).toMatchObject({ name: "operator", made: false });
  expect(await people.findUser("operator")).toMatchObject({ pools: ["claims", "finance"], kind: "person" });
  for (const { link } of [first, second].flatMap((one) => (one ? [one] : []))) {
    expect(link).toMatch(/^http:\/\/127\.0\.0\.1:4400\/sign-in\?code=[\w-]{43}$/);
    const code = new URL(link).searchParams.get("code") ?? "";
    await expect(people.signInWithCode({ code, from: FROM })).resolves.toMatchObject({
      identity: { name: "operator" },
    });
  }
  expect(first?.link).not.toBe(second?.link);
});

test("local operator - is neither made nor signed in where it was disabled or others are operators", async () => {
  await people.disableUser("operator");
  expect(await welcomeLocalOperator({ people, url: URL_OF_CONSOLE, pools: [] })).toBeNull();
  const created = await createTestDatabase();
  const database = openDatabase({ url: created.url });
  try {
    const others = createPeople({ database });
    await others.addUser({ name: "ada", roles: ["operator"] });
    expect(await welcomeLocalOperator({ people: others, url: URL_OF_CONSOLE, pools: [] })).toBeNull();
    expect((await others.listUsers()).map((user) => user.name)).toEqual(["ada"]);
  } finally {
    await database.end();
    await created[Symbol.asyncDispose]();
  }
});

test("users commands - add, list, change and disable, as text for people and data for scripts", async () => {
  const added = await commands.usersAdd(people, {
    name: "Ada",
    roles: "operator, auditor",
    pools: "finance,audit",
    service: false,
  });
  expect(added.text).toContain('Added the person "ada"');
  expect(added.text).toContain('The pool "audit" is new.');
  expect(added.data).toMatchObject({ name: "ada", roles: ["operator", "auditor"], pools: ["audit", "finance"] });
  expect(
    (await commands.usersAdd(people, { name: "feed", roles: "operator", pools: "", service: true })).text,
  ).toContain("token");
  expect((await commands.usersList(people)).text).toMatch(/^ada +person +operator,auditor +audit,finance$/m);
  expect((await commands.usersRoles(people, "ada", "viewer")).data).toMatchObject({ roles: ["viewer"] });
  expect((await commands.usersPool(people, { user: "ada", pool: "audit", remove: true })).text).toContain("no longer");
  expect((await commands.usersPool(people)).text).toMatch(/^audit +-$/m);
  const link = await commands.usersLink(people, "ada", URL_OF_CONSOLE);
  expect(link.text).toContain(`${URL_OF_CONSOLE}/sign-in?code=`);
  await commands.usersPassword(people, "ada", "a long enough password");
  const token = await commands.usersToken(people, { user: "feed", name: "nightly", expires: "90d" });
  expect(token.data).toMatchObject({ user: "feed", name: "nightly", roles: ["operator"] });
  const listed = await commands.usersTokens(people, "feed");
  expect(listed.text).toContain("nightly");
  const { secret } = token.data as { secret: string };
  expect(token.text).toContain(secret);
  expect(JSON.stringify(listed)).not.toContain(secret);
  expect((await commands.usersRevokeToken(people, "feed", "nightly")).text).toContain("revoked");
  expect((await commands.usersDisable(people, "ada")).text).toContain("disabled");
  expect((await commands.usersEnable(people, "ada")).data).toMatchObject({ disabledAt: null });
});

test.each([
  ["30m", 1_800_000],
  ["12h", 43_200_000],
  ["90d", 7_776_000_000],
])("users commands - %s is %d ms", (text, ms) => {
  expect(commands.parseDuration(text)).toBe(ms);
});

test.each(["", "90", "0d", "-1d", "1.5h", "90 days", "1e9d"])(
  "users commands - refuses %j as a length of time",
  (text) => {
    expect(() => commands.parseDuration(text)).toThrow(InvalidUserError);
  },
);

test("users commands - an unknown role is refused before anybody is added", async () => {
  await expect(
    commands.usersAdd(people, { name: "zed", roles: "operater", pools: "", service: false }),
  ).rejects.toThrow('no role "operater"');
  expect((await people.listUsers()).map((user) => user.name)).not.toContain("zed");
});
