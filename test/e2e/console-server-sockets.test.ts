import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ErrorBody } from "../../runtime/core/protocol.ts";
import { startTestConsole, type Caller, type TestConsole } from "../support/console.ts";
import { ask } from "../support/http.ts";
import { LiveClient, numbers, UpgradeRefused } from "../support/live-client.ts";

let served: TestConsole;
let viewer: Caller;

beforeAll(async () => {
  // Lost notices are made up for within 50 ms here instead of 2 s.
  served = await startTestConsole({ live: { pollMs: 50, listGapMs: 5 } });
  viewer = await served.caller("viewer", ["viewer"]);
});
afterAll(() => served[Symbol.asyncDispose]());

const open = (caller = viewer) => LiveClient.open(served.url, caller.token);

async function refusal(headers: Record<string, string>, url = served.url): Promise<string> {
  const error = await LiveClient.connect(url, headers).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof UpgradeRefused)) return "let in";
  return `${String(error.status)} ${(JSON.parse(error.body) as ErrorBody).error.code}`;
}

describe("before the upgrade", () => {
  test("upgrade - nobody gets a socket without valid credentials", async () => {
    const revoked = await served.caller("revoked", ["viewer"]);
    await served.people.revokeToken("revoked", "test");
    expect(await refusal({})).toBe("401 NOT_SIGNED_IN");
    expect(await refusal({ authorization: "Bearer nonsense" })).toBe("401 NOT_SIGNED_IN");
    expect(await refusal({ authorization: `Bearer ${revoked.token}` })).toBe("401 NOT_SIGNED_IN");
    expect(await refusal({ cookie: "signalbox_1=nonsense", origin: served.url })).toBe("401 NOT_SIGNED_IN");
  });

  test("upgrade - other origins, rebound hosts and other paths are refused, with valid credentials too", async () => {
    const authorization = `Bearer ${viewer.token}`;
    expect(await refusal({ authorization, origin: "https://evil.example" })).toBe("403 ORIGIN_REFUSED");
    expect(await refusal({ authorization, origin: "null" })).toBe("403 ORIGIN_REFUSED");
    expect(await refusal({ authorization, host: "evil.example" })).toBe("403 HOST_REFUSED");
    expect(await refusal({ authorization }, `${served.url}/somewhere`)).toBe("404 NOT_FOUND");
    expect(await refusal({ authorization, origin: served.url })).toBe("let in");
  });

  test("upgrade - a cookie lets the console's own page in, and nobody who does not say where from", async () => {
    const { code } = await served.people.createSignInCode("viewer");
    const signIn = await ask(`${served.url}/api/sign-in`, { method: "POST", body: { code } });
    const cookie = signIn.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
    expect(await refusal({ cookie })).toBe("403 ORIGIN_REFUSED");
    expect(await refusal({ cookie, origin: served.url.replace("127.0.0.1", "localhost") })).toBe("403 ORIGIN_REFUSED");
    expect(await refusal({ cookie, origin: served.url })).toBe("let in");
  });
});

describe("messages", () => {
  test("hello - another protocol version is told to reload", async () => {
    using client = await LiveClient.connect(served.url, { authorization: `Bearer ${viewer.token}` });
    client.send({ type: "hello", protocol: 999 });
    expect(await client.closed).toEqual({ code: 4000, reason: "protocol_mismatch" });
  });

  test("messages - subscribing before hello, a second hello and an id twice are bad messages", async () => {
    using early = await LiveClient.connect(served.url, { authorization: `Bearer ${viewer.token}` });
    early.subscribe("s", { kind: "sessions" });
    expect(await early.closed).toEqual({ code: 4001, reason: "bad_message" });
    using again = await open();
    again.send({ type: "hello", protocol: 1 });
    expect((await again.closed).reason).toBe("bad_message");
    using twice = await open();
    twice.subscribe("s", { kind: "sessions" });
    twice.subscribe("s", { kind: "approvals" });
    expect((await twice.closed).reason).toBe("bad_message");
    using many = await open();
    for (const i of numbers(1, 21)) many.subscribe(String(i), { kind: "sessions" });
    expect((await many.closed).reason).toBe("bad_message");
  });

  const subscribe = (topic: string) => `{"type":"subscribe","id":"x","topic":${topic}}`;
  const id = "0b9d4d0e-8a0e-4c39-8f6c-000000000000";
  test.each([
    ["nothing", ""],
    ["half an object", "{"],
    ["null", "null"],
    ["an array", "[]"],
    ["a word", '"hello"'],
    ["deep nesting", "[".repeat(50_000)],
    ["a subscription to nothing", '{"type":"subscribe"}'],
    ["an unknown message", '{"type":"delete_everything"}'],
    ["a key too many", '{"type":"pong","extra":1}'],
    ["a type in the prototype", '{"__proto__":{"type":"pong"}}'],
    ["a path for an id", subscribe('{"kind":"session","session":"../../etc","have":{}}')],
    ["a run that is no id", subscribe(`{"kind":"session","session":"${id}","have":{"constructor":1}}`)],
    ["a negative cursor", subscribe(`{"kind":"session","session":"${id}","have":{"${id}":-1}}`)],
    ["a long id", `{"type":"unsubscribe","id":"${"x".repeat(101)}"}`],
  ])("messages - %s closes the socket as a bad message", async (_name, text) => {
    using client = await open();
    client.socket.send(text);
    expect(await client.closed).toEqual({ code: 4001, reason: "bad_message" });
  });

  test("messages - a frame that is too large or binary closes only its own socket", async () => {
    using bystander = await open();
    using large = await open();
    large.socket.send(`{"type":"pong","x":"${"x".repeat(300_000)}"}`);
    expect((await large.closed).code).toBe(1009);
    using binary = await open();
    binary.socket.send(Buffer.from('{"type":"pong"}'));
    expect((await binary.closed).reason).toBe("bad_message");
    const session = served.services.addSession();
    bystander.subscribe("s", { kind: "session", session, have: {} });
    await bystander.next("events");
  });
});

describe("who may stay", () => {
  test("socket - closes when its sign-in is signed out, and no other does", async () => {
    const signIn = async () => {
      const { code } = await served.people.createSignInCode("viewer");
      const answer = await ask(`${served.url}/api/sign-in`, { method: "POST", body: { code } });
      const cookie = answer.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
      const headers = { cookie, origin: served.url };
      const csrf = (answer.json() as { csrfToken: string }).csrfToken;
      return { cookie, csrf, client: await LiveClient.open(served.url, "", { headers }) };
    };
    const [leaving, staying] = [await signIn(), await signIn()];
    using client = leaving.client;
    using other = staying.client;
    await ask(`${served.url}/api/sign-out`, {
      method: "POST",
      headers: { cookie: leaving.cookie, "x-csrf-token": leaving.csrf },
    });
    expect(await client.closed).toEqual({ code: 4003, reason: "signed_out" });
    other.subscribe("s", { kind: "session", session: served.services.addSession(), have: {} });
    await other.next("events");
  });

  test("socket - closes soon after its token was revoked or its user disabled in another process", async () => {
    const [revoked, disabled] = [await served.caller("r1", ["viewer"]), await served.caller("r2", ["viewer"])];
    using one = await open(revoked);
    using two = await open(disabled);
    await served.people.revokeToken("r1", "test");
    await served.people.disableUser("r2");
    expect((await one.closed).reason).toBe("signed_out");
    expect((await two.closed).reason).toBe("signed_out");
  });

  test("socket - who has no role sees nothing, and who loses it stops seeing", async () => {
    const none = await served.caller("no-role", []);
    const session = served.services.addSession();
    using client = await open(none);
    for (const topic of [
      { kind: "session", session, have: {} },
      { kind: "sessions" },
      { kind: "approvals" },
    ] as const) {
      client.subscribe(topic.kind, topic);
      expect(await client.next("resync", ({ id }) => id === topic.kind)).toMatchObject({ reason: "forbidden" });
    }
    expect(client.received.every(({ type }) => type === "welcome" || type === "resync" || type === "ping")).toBe(true);
    const loses = await served.caller("loses-role", ["viewer"]);
    using losing = await open(loses);
    losing.subscribe("s", { kind: "session", session, have: {} });
    await losing.next("events");
    await served.people.setRoles("loses-role", []);
    expect(await losing.next("resync")).toMatchObject({ id: "s", reason: "forbidden" });
  });
});

describe("slow and silent clients", () => {
  test("heartbeat - a client that answers stays, one that is silent is cut", async () => {
    await using quick = await startTestConsole({ live: { heartbeatMs: 250 } });
    const caller = await quick.caller("ada", ["viewer"]);
    using alive = await LiveClient.open(quick.url, caller.token);
    using silent = await LiveClient.open(quick.url, caller.token, { pong: false });
    expect((await silent.closed).code).toBe(1006);
    await alive.until(() => alive.all("ping").length >= 4);
    // One that never says hello is not kept either.
    using mute = await LiveClient.connect(quick.url, { authorization: `Bearer ${caller.token}` });
    expect((await mute.closed).code).toBe(1006);
  });

  /** 40 MB: far more than the kernel's buffers take for somebody who does not read. */
  function flood(quick: TestConsole, session: string): void {
    for (let i = 0; i < 40; i++) {
      const head = quick.services.append(session, 20, session, "x".repeat(50_000));
      quick.notify({ session, heads: { [session]: head } });
    }
  }

  async function watch(quick: TestConsole, session: string, caller: Caller): Promise<LiveClient> {
    const client = await LiveClient.open(quick.url, caller.token);
    client.subscribe("s", { kind: "session", session, have: {} });
    await client.next("events");
    return client;
  }

  test("slow client - holds nobody up, is not cut for its silence, and gets everything when it reads on", async () => {
    const live = { behindBytes: 64 * 1024, tooSlowMs: 60_000, heartbeatMs: 400, pollMs: 50, pageEvents: 50 };
    await using quick = await startTestConsole({ live });
    const caller = await quick.caller("ada", ["viewer"]);
    const session = quick.services.addSession();
    using fast = await watch(quick, session, caller);
    using slow = await watch(quick, session, caller);
    slow.socket.pause();
    flood(quick, session);
    await fast.until(() => fast.seqs(session).includes(801));
    expect(fast.seqs(session)).toEqual(numbers(1, 801));
    const pings = fast.all("ping").length;
    await fast.until(() => fast.all("ping").length > pings + 2);
    expect(slow.seqs(session).length).toBeLessThan(801);
    slow.socket.resume();
    await slow.until(() => slow.seqs(session).includes(801));
    expect(slow.seqs(session)).toEqual(numbers(1, 801));
  });

  test("slow client - is closed as too slow when it stays behind", async () => {
    const live = { behindBytes: 64 * 1024, tooSlowMs: 100, heartbeatMs: 50, pageEvents: 50 };
    await using quick = await startTestConsole({ live });
    const caller = await quick.caller("ada", ["viewer"]);
    const session = quick.services.addSession();
    using stuck = await watch(quick, session, caller);
    stuck.socket.pause();
    flood(quick, session);
    const closed = () => quick.logged.some((line) => line.includes('"reason":"too_slow"'));
    await expect.poll(closed, { timeout: 10_000 }).toBe(true);
    stuck.socket.resume();
    await stuck.closed;
    expect(stuck.seqs(session).length).toBeLessThan(801);
  });
});
