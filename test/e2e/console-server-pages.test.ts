import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createConsole } from "../../console/server/index.ts";
import { CannotListenError, PortInUseError } from "../../console/server/errors.ts";
import { signInAt, startTestConsole, stubPages, type TestConsole } from "../support/console.ts";
import { ask, codeOf } from "../support/http.ts";

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

const browser = (body: unknown) => signInAt(served.url, body);

describe("pages", () => {
  test("pages - files are served, places inside the console get the page, missing files do not", async () => {
    const script = await ask(`${served.url}/assets/app-1a2b.js`);
    expect(script.headers["content-type"]).toContain("javascript");
    expect(script.headers["cache-control"]).toContain("immutable");
    const html = { accept: "text/html" };
    for (const place of ["/", "/sessions", "/sessions/payments.refund", "/index.html"]) {
      const page = await ask(served.url + place, { headers: html });
      expect([page.status, page.headers["cache-control"]], place).toEqual([200, "no-cache"]);
      expect(page.text).toContain("<title>Signalbox</title>");
    }
    expect((await ask(`${served.url}/assets/gone.js`)).status).toBe(404);
  });

  test.each(["/../package.json", "/..%2f..%2fetc/passwd", "/assets/../../x", "/.env", "/%2e%2e/%2e%2e/etc/passwd"])(
    "pages - %s leads nowhere outside the folder",
    async (path) => {
      const answer = await ask(served.url + path);
      expect([400, 403, 404]).toContain(answer.status);
      expect(answer.text).toContain('"error"');
    },
  );

  test("pages - where they are not built, the API works and the page says what to do", async () => {
    await using bare = await startTestConsole({ webRoot: join(web.folder, "nothing-here") });
    const page = await ask(`${bare.url}/`);
    expect([page.status, codeOf(page)]).toEqual([503, "PAGES_NOT_BUILT"]);
    expect(page.text).toContain("npm run build");
    expect((await (await bare.caller("ada", ["viewer"])).get("/api/health")).status).toBe(200);
  });
});

describe("the server itself", () => {
  test("log - holds no password, code, cookie or token, and no query", async () => {
    await served.people.addUser({ name: "pat", roles: ["operator"] });
    await served.people.setPassword("pat", PASSWORD);
    const { code } = await served.people.createSignInCode("pat");
    await ask(`${served.url}/sign-in?code=${code}`, { headers: { accept: "text/html" } });
    await ask(`${served.url}/missing?code=${code}`);
    const { cookie, me } = await browser({ code });
    await ask(`${served.url}/api/me`, { headers: { cookie } });
    await ask(`${served.url}/api/sign-in`, { method: "POST", body: { name: "pat", password: PASSWORD, extra: 1 } });
    await browser({ name: "pat", password: PASSWORD });
    const caller = await served.caller("logged", ["viewer"]);
    await caller.get("/api/sessions");
    const everything = served.logged.join("\n");
    expect(everything).toContain('"path":"/sign-in"');
    expect(everything).toContain('"user":"logged"');
    for (const secret of [code, PASSWORD, cookie.split("=")[1] ?? "?", me.csrfToken, caller.token]) {
      expect(everything).not.toContain(secret);
    }
  });

  test("start - a port in use and an address of another machine are clear errors", async () => {
    const { people, services } = served;
    const { pino } = await import("pino");
    const log = pino({ level: "silent" });
    const start = (host: string, port: number) => createConsole({ people, services, log, host, port });
    const port = Number(new URL(served.url).port);
    await expect(start("127.0.0.1", port)).rejects.toThrow(PortInUseError);
    await expect(start("127.0.0.1", port)).rejects.toThrow(`Port ${String(port)} on 127.0.0.1 is in use`);
    await expect(start("192.0.2.1", 0)).rejects.toThrow(CannotListenError);
  });

  test("start - listening beyond loopback is said in the log, and strangers' host names are still refused", async () => {
    await using open = await startTestConsole({ host: "0.0.0.0" });
    expect(open.logged.some((line) => line.includes("reachable from other machines"))).toBe(true);
    expect((await ask(`${open.url}/api/me`, { headers: { host: "rebound.example" } })).status).toBe(403);
    expect((await ask(`${open.url}/api/me`)).status).toBe(401);
  });
});
