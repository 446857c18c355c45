import { createConnection } from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROUTE_NEEDS, type Need } from "../../console/server/access.ts";
import { ROLES } from "../../runtime/core/people.ts";
import type { ApprovalView, ErrorBody, SessionSummary } from "../../runtime/core/protocol.ts";
import { signInAt, startTestConsole, stubPages, type Caller, type TestConsole } from "../support/console.ts";
import { ask, codeOf, type HttpAnswer } from "../support/http.ts";

const PASSWORD = "correct horse battery";

let web: Awaited<ReturnType<typeof stubPages>>;
let served: TestConsole;

beforeAll(async () => {
  web = await stubPages();
  served = await startTestConsole({ webRoot: web.folder, allowedHosts: ["signalbox.example.com"] });
  afterAll(async () => {
    await served[Symbol.asyncDispose]();
    await web[Symbol.asyncDispose]();
  });
});

const own = () => new URL(served.url).host;

const browser = (body: unknown) => signInAt(served.url, body);

/** A request for a declared route that is well-formed, so that only the role can be in its way. */
async function use(route: string, caller: Caller | null): Promise<HttpAnswer> {
  const [method = "", pattern = ""] = route.split(" ");
  const session = served.services.addSession();
  const approval = served.services.hold(session, "claims");
  const doubt = served.services.doubt(session);
  const question = served.services.question(session, "claims");
  const view = await served.services.getApproval({ name: "x", kind: "person", roles: [], pools: [] }, approval);
  const deadLetter = served.services.addDeadLetter();
  const quarantined = served.services.addQuarantined();
  const ids = {
    approvals: approval,
    questions: question,
    "dead-letters": deadLetter,
    "quarantined-messages": quarantined,
  };
  const id = Object.entries(ids).find(([kind]) => pattern.startsWith(`/api/${kind}`))?.[1] ?? session;
  const query = pattern.endsWith("/state") ? `?run=${session}&seq=1` : "";
  const bodies: Readonly<Record<string, unknown>> = {
    "POST /api/sign-in": { name: "nobody", password: "not a password" },
    "POST /api/approvals/:id/decide": { decision: "approve", argsHash: view.argsHash },
    "POST /api/doubts/resolve": {
      run: doubt.run,
      effect: doubt.effect,
      resolution: "give_up",
      reason: "No trace of it.",
    },
    "POST /api/questions/:id/answer": { answer: "Repair it." },
    "POST /api/runs": { agent: "refunds", input: {} },
    "POST /api/runs/:id/cancel": { reason: "Wrong claim." },
    "POST /api/runs/:id/release": { reason: "The tool is mended." },
    "POST /api/runs/:id/restart": { reason: "The agent has changed." },
    "POST /api/topics/:topic": { body: { orderId: 7 } },
    "POST /api/dead-letters/:id/redrive": { reason: "The agent is mended." },
    "POST /api/dead-letters/:id/drop": { reason: "Nobody wants it." },
    "POST /api/quarantined-messages/:id/dismiss": { reason: "A probe." },
    "POST /api/listeners/:agent/forget": { reason: "It was retired." },
  };
  return ask(
    served.url +
      pattern.replace(":id", id).replace(":topic", "orders.returned").replace(":agent", "refunds").replace("*", "") +
      query,
    {
      method,
      body: bodies[route],
      ...(caller ? { headers: { authorization: `Bearer ${caller.token}` } } : {}),
    },
  );
}

describe("who may", () => {
  const needs = Object.entries(ROUTE_NEEDS);
  const may = (need: Need, roles: readonly string[], kind: string) =>
    typeof need === "string" ||
    (need.roles.some((role) => roles.includes(role)) && !(need.person && kind !== "person"));

  test.each(needs)("route - %s refuses whoever is not signed in", async (route, need) => {
    const answer = await use(route, null);
    if (need === "anyone") {
      expect([200, 401]).toContain(answer.status);
      if (answer.status === 401) expect(codeOf(answer)).toBe("SIGN_IN_FAILED");
    } else {
      expect(answer.status).toBe(401);
      expect(codeOf(answer)).toBe("NOT_SIGNED_IN");
      expect(answer.headers["www-authenticate"]).toContain("Bearer");
    }
  });

  test("route - every one lets in exactly the roles that it declares", async () => {
    const callers = [];
    for (const kind of ["person", "service"] as const) {
      for (const roles of [[], ...ROLES.map((role) => [role])]) {
        const caller = await served.caller(`${kind}-${roles[0] ?? "none"}`, roles, kind);
        if (kind === "person") await served.people.addToPool("claims", caller.name);
        callers.push({ caller, roles, kind });
      }
    }
    for (const [route, need] of needs) {
      for (const { caller, roles, kind } of callers) {
        const answer = await use(route, caller);
        const what = `${route} as ${caller.name}: ${answer.text}`;
        if (may(need, roles, kind)) {
          // What stands in the way now is not the role.
          const conflicts = route === "POST /api/sign-out" || route === "POST /api/runs/:id/restart";
          const expected = conflicts ? [409] : route === "POST /api/sign-in" ? [401, 429] : [200, 201, 202, 204];
          expect(expected, what).toContain(answer.status);
        } else {
          expect(answer.status, what).toBe(403);
          expect(codeOf(answer), what).toBe("FORBIDDEN");
        }
      }
    }
  });

  test("route - whoever decided is the one who was signed in, and only within their pool", async () => {
    const insider = await served.caller("insider", ["operator"]);
    const outsider = await served.caller("outsider", ["operator"]);
    await served.people.addToPool("claims", "insider");
    const id = served.services.hold(served.services.addSession(), "claims");
    const shown = (await insider.get(`/api/approvals/${id}`)).json() as ApprovalView;
    const body = { decision: "reject", reason: "Too much.", argsHash: shown.argsHash };
    expect((await outsider.post(`/api/approvals/${id}/decide`, body)).status).toBe(403);
    const stale = await insider.post(`/api/approvals/${id}/decide`, { ...body, argsHash: "of something else" });
    expect(stale.status).toBe(409);
    const decided = (await insider.post(`/api/approvals/${id}/decide`, body)).json() as ApprovalView;
    expect(decided).toMatchObject({ status: "rejected", decisions: [{ by: "insider", reason: "Too much." }] });
    expect((await insider.post(`/api/approvals/${id}/decide`, body)).status).toBe(409);
    const started = (await insider.post("/api/runs", { agent: "refunds", input: {} })).json() as SessionSummary;
    expect(started.startedBy).toEqual({ kind: "person", id: "insider" });
  });
});

describe("signing in", () => {
  test("sign-in - by password gives an HttpOnly, SameSite=Strict cookie, and /api/me knows who it is", async () => {
    await served.people.addUser({ name: "pat", roles: ["operator"] });
    await served.people.addToPool("claims", "pat");
    await served.people.setPassword("pat", PASSWORD);
    const { me, cookie, setCookie } = await browser({ name: "Pat", password: PASSWORD });
    expect(me).toMatchObject({ name: "pat", kind: "person", roles: ["operator"], pools: ["claims"] });
    expect(setCookie).toMatch(/HttpOnly/);
    expect(setCookie).toMatch(/SameSite=Strict/);
    expect(setCookie).not.toMatch(/Domain/);
    expect((await ask(`${served.url}/api/me`, { headers: { cookie } })).json()).toEqual(me);
    const wrong = await ask(`${served.url}/api/sign-in`, { method: "POST", body: { name: "pat", password: "wrong" } });
    expect([wrong.status, codeOf(wrong)]).toEqual([401, "SIGN_IN_FAILED"]);
  });

  test("sign-in - fetching the link's page does not use its code up; posting the code does", async () => {
    const { code } = await served.people.createSignInCode("pat");
    const preview = await ask(`${served.url}/sign-in?code=${code}`, { headers: { accept: "text/html" } });
    expect(preview.text).toContain("<title>Signalbox</title>");
    expect((await browser({ code })).me.name).toBe("pat");
    const again = await ask(`${served.url}/api/sign-in`, { method: "POST", body: { code } });
    expect([again.status, codeOf(again)]).toEqual([401, "SIGN_IN_CODE_REFUSED"]);
  });

  test("sign-out - needs the CSRF token, ends the sign-in and clears the cookie", async () => {
    const { me, cookie } = await browser({ name: "pat", password: PASSWORD });
    const out = (headers: Record<string, string>) =>
      ask(`${served.url}/api/sign-out`, { method: "POST", headers: { cookie, ...headers } });
    for (const headers of [{}, { "x-csrf-token": "" }, { "x-csrf-token": me.csrfToken.slice(1) }]) {
      const refused = await out(headers);
      expect([refused.status, codeOf(refused)]).toEqual([403, "CSRF_REFUSED"]);
    }
    const other = await browser({ name: "pat", password: PASSWORD });
    expect((await out({ "x-csrf-token": other.me.csrfToken })).status).toBe(403);
    const done = await out({ "x-csrf-token": me.csrfToken });
    expect(done.status).toBe(204);
    expect(done.headers["set-cookie"]?.[0]).toMatch(/=;/);
    expect((await ask(`${served.url}/api/me`, { headers: { cookie } })).status).toBe(401);
    expect((await ask(`${served.url}/api/me`, { headers: { cookie: other.cookie } })).status).toBe(200);
  });

  test("sign-in - a wrong bearer token is not made good by a cookie", async () => {
    const { cookie } = await browser({ name: "pat", password: PASSWORD });
    for (const authorization of ["Bearer nonsense", "Basic cGF0OnBhdA==", "Bearer", "Bearer a b"]) {
      expect((await ask(`${served.url}/api/me`, { headers: { cookie, authorization } })).status).toBe(401);
    }
  });

  test("sign-in - is slowed down by address and name, and locked after wrong passwords, each with its code", async () => {
    await served.people.addUser({ name: "quinn", roles: [] });
    const codes: string[] = [];
    let last: HttpAnswer | undefined;
    for (let i = 0; i < 11; i++) {
      last = await ask(`${served.url}/api/sign-in`, { method: "POST", body: { name: "quinn", password: "wrong" } });
      codes.push(`${String(last.status)} ${codeOf(last)}`);
    }
    const times = (count: number, text: string) => Array.from({ length: count }, () => text);
    expect(codes).toEqual([
      ...times(5, "401 SIGN_IN_FAILED"),
      ...times(5, "429 SIGN_IN_LOCKED"),
      "429 TOO_MANY_SIGN_INS",
    ]);
    expect(Number(last?.headers["retry-after"])).toBeGreaterThan(0);
  });
});

describe("who is answered", () => {
  test.each(["evil.example", "127.0.0.1.evil.example", "127.0.0.1:1", "127.0.0.1", "signalbox.example.com:4400"])(
    "host - a request for %j is refused on every path, before anything else is looked at",
    async (host) => {
      for (const path of ["/", "/api/me", "/api/sign-in", "/nowhere"]) {
        const answer = await ask(served.url + path, { headers: { host } });
        expect([answer.status, codeOf(answer)]).toEqual([403, "HOST_REFUSED"]);
        expect(answer.text).not.toContain("evil");
      }
    },
  );

  test("host - loopback by any name, and hosts that were named, are answered", async () => {
    const { port } = new URL(served.url);
    for (const host of [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `LOCALHOST:${port}`,
      `[::1]:${port}`,
      "signalbox.example.com",
    ]) {
      expect((await ask(`${served.url}/`, { headers: { host } })).status).toBe(200);
    }
  });

  test("origin - a request from another origin is refused, with valid credentials too", async () => {
    const { cookie, me } = await browser({ name: "pat", password: PASSWORD });
    const { port } = new URL(served.url);
    const origins = [
      "https://evil.example",
      "null",
      `http://localhost:${port}`,
      `http://127.0.0.1:1`,
      `http://${own()}.evil.example`,
    ];
    for (const origin of origins) {
      const headers = { cookie, origin, "x-csrf-token": me.csrfToken };
      const answer = await ask(`${served.url}/api/me`, { headers });
      expect([answer.status, codeOf(answer)], origin).toEqual([403, "ORIGIN_REFUSED"]);
      const signIn = await ask(`${served.url}/api/sign-in`, { method: "POST", headers, body: { code: "x" } });
      expect(codeOf(signIn)).toBe("ORIGIN_REFUSED");
      expect(signIn.headers["access-control-allow-origin"]).toBeUndefined();
    }
    const ownOrigin = await ask(`${served.url}/api/me`, { headers: { cookie, origin: served.url } });
    expect(ownOrigin.status).toBe(200);
  });

  test("origin - what the browser marks as cross-site reaches no API route, but a link may open a page", async () => {
    const { cookie } = await browser({ name: "pat", password: PASSWORD });
    for (const site of ["cross-site", "same-site"]) {
      const headers = { cookie, "sec-fetch-site": site, accept: "text/html" };
      expect(codeOf(await ask(`${served.url}/api/me`, { headers }))).toBe("ORIGIN_REFUSED");
      expect((await ask(`${served.url}/sessions/1`, { headers })).status).toBe(200);
    }
  });

  test("headers - every answer has a strict CSP without inline code, and errors have it too", async () => {
    for (const path of ["/", "/assets/app-1a2b.js", "/api/me", "/api/nothing", "/%zz"]) {
      const { headers } = await ask(served.url + path);
      const csp = headers["content-security-policy"];
      expect(csp, path).toContain("default-src 'none'");
      expect(csp).toContain("script-src 'self'");
      expect(csp).toContain("frame-ancestors 'none'");
      expect(csp).not.toContain("unsafe");
      expect(headers).toMatchObject({
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
      });
    }
    expect((await ask(`${served.url}/api/me`)).headers["cache-control"]).toBe("no-store");
  });
});

describe("bad requests", () => {
  test("request - what does not fit its schema is named, with a stable code", async () => {
    const caller = await served.caller("bad-requests", ["operator", "auditor"]);
    const session = served.services.addSession();
    const cases: readonly (readonly [string, string, unknown, number, string, string])[] = [
      ["GET", "/api/sessions?limit=9999", undefined, 400, "INVALID_REQUEST", "limit"],
      ["GET", "/api/sessions?status=sleeping", undefined, 400, "INVALID_REQUEST", "status"],
      ["GET", "/api/sessions/not-a-uuid", undefined, 400, "INVALID_REQUEST", "id"],
      ["GET", `/api/sessions/${session}/state?run=${session}`, undefined, 400, "INVALID_REQUEST", "seq"],
      ["GET", "/api/sessions/00000000-0000-4000-8000-000000000000", undefined, 404, "NOT_FOUND", "session"],
      ["POST", "/api/runs", { agent: "refunds" }, 400, "INVALID_REQUEST", "input"],
      ["POST", "/api/runs", { agent: "refunds", input: {}, admin: true }, 400, "INVALID_REQUEST", "admin"],
      ["POST", "/api/runs", { agent: "nope", input: {} }, 404, "NOT_FOUND", "nope"],
      ["POST", "/api/runs", "{", 400, "INVALID_REQUEST", "JSON"],
      ["POST", "/api/runs", '{"agent":"refunds","input":{},"__proto__":{"x":1}}', 400, "INVALID_REQUEST", "JSON"],
      ["POST", "/api/runs", `"${"x".repeat(1_100_000)}"`, 413, "BODY_TOO_LARGE", "larger"],
      [
        "POST",
        "/api/doubts/resolve",
        { run: session, effect: "e", resolution: "happened", reason: "r" },
        400,
        "INVALID_REQUEST",
        "result",
      ],
      ["GET", "/api/questions?status=asleep", undefined, 400, "INVALID_REQUEST", "status"],
      ["POST", `/api/questions/${session}/answer`, {}, 400, "INVALID_REQUEST", "answer"],
      ["POST", `/api/questions/${session}/answer`, { answer: 1, by: "somebody else" }, 400, "INVALID_REQUEST", "by"],
      ["GET", "/api/nowhere", undefined, 404, "NOT_FOUND", "/api/nowhere"],
      ["DELETE", "/api/sessions", undefined, 404, "NOT_FOUND", "DELETE"],
    ];
    for (const [method, path, body, status, code, named] of cases) {
      const headers = { authorization: `Bearer ${caller.token}` };
      const answer = await ask(served.url + path, { method, body, headers });
      expect([answer.status, codeOf(answer)], `${method} ${path}`).toEqual([status, code]);
      expect(answer.text).toContain(named);
      expect(answer.text).not.toMatch(/\bat .*\.ts|node_modules|FST_/);
    }
  });

  test("request - a body that is not JSON is refused, and so is a large one from somebody unknown", async () => {
    const form = { "content-type": "text/plain" };
    const plain = await ask(`${served.url}/api/sign-in`, { method: "POST", headers: form, body: '{"code":"x"}' });
    expect([plain.status, codeOf(plain)]).toEqual([415, "CONTENT_TYPE_REFUSED"]);
    const large = await ask(`${served.url}/api/sign-in`, { method: "POST", body: { code: "x".repeat(10_000) } });
    expect([large.status, codeOf(large)]).toEqual([413, "BODY_TOO_LARGE"]);
  });

  test("request - an unforeseen error becomes INTERNAL with a request id, and its text stays in the log", async () => {
    const caller = await served.caller("outage", ["viewer"]);
    served.services.outage = new Error("password=hunter2 in a driver's message");
    const answer = await caller.get("/api/sessions");
    served.services.outage = null;
    expect([answer.status, codeOf(answer)]).toEqual([500, "INTERNAL"]);
    expect(answer.text).not.toContain("hunter2");
    const id = /request id (\S+)\./.exec((answer.json() as ErrorBody).error.message)?.[1] ?? "";
    expect(served.logged.some((line) => line.includes(`"reqId":"${id}"`) && line.includes("hunter2"))).toBe(true);
  });

  test("request - what is not HTTP at all, or names no host, is answered in the same form", async () => {
    const raw = async (text: string) => {
      const socket = createConnection(Number(new URL(served.url).port), "127.0.0.1");
      socket.end(text);
      let answer = "";
      socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
      await once(socket, "close");
      return answer;
    };
    const nonsense = await raw("GET / HTTP/9.9\r\nnonsense\r\n\r\n");
    expect(nonsense).toMatch(/^HTTP\/1\.1 400 /);
    expect(nonsense).toContain('"code":"INVALID_REQUEST"');
    const hostless = await raw("GET /api/me HTTP/1.0\r\n\r\n");
    expect(hostless).toMatch(/^HTTP\/1\.1 403 /);
    expect(hostless).toContain('"code":"HOST_REFUSED"');
  });
});
