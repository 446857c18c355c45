import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { launchChromium, withoutBrowser } from "../support/browser.ts";
import { FIXTURE_PASSWORD, startConsoleFixture, type ConsoleFixture } from "../support/console-fixture.ts";
import { CLAIMS } from "../support/console-fixture-claims.ts";
import { FixtureSession } from "../support/console-fixture-journal.ts";
import { buildConsoleWeb } from "../support/console-web-build.ts";

const FIRST_LOAD_BYTES = 250 * 1024;

describe.skipIf(withoutBrowser())("console pages", () => {
  let built: Awaited<ReturnType<typeof buildConsoleWeb>>;
  let browser: Browser;
  let console_: ConsoleFixture;
  let context: BrowserContext;
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    built = await buildConsoleWeb();
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    await built[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    console_ = await startConsoleFixture(built.folder);
    context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    context.setDefaultTimeout(10_000);
    page = await context.newPage();
    problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("dialog", (dialog) => problems.push(`A dialog opened: ${dialog.message()}`));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) problems.push(message.text());
    });
  });

  afterEach(async () => {
    await context.close();
    await console_[Symbol.asyncDispose]();
    expect(problems).toEqual([]);
  });

  const session = (claimId: string): FixtureSession => {
    const found = console_.services.world.sessions.find((each) => each.key === claimId);
    if (found === undefined) throw new Error(`There is no session of ${claimId}.`);
    return found;
  };
  const approvalOf = (claimId: string) => {
    const id = session(claimId).session;
    const found = console_.services.world.approvals.find((each) => each.session === id && each.status === "pending");
    if (found === undefined) throw new Error(`Nothing is held in ${claimId}.`);
    return found;
  };
  const decideAs = (name: string, decision: "approve" | "reject", reason: string) => {
    const { approval, argsHash } = approvalOf(CLAIMS.large.claimId);
    const person = { name, kind: "person", roles: ["operator"], pools: ["claims"] } as const;
    return console_.services.decide(person, approval, { decision, reason, argsHash });
  };
  const signIn = async (name = "nadia", path = "/sessions"): Promise<void> => {
    console_.people.codes.set(`code-${name}`, name);
    await page.goto(`${console_.url}/sign-in?code=code-${name}&next=${encodeURIComponent(path)}`);
    await page.getByRole("link", { name: "Sessions", exact: true }).waitFor();
  };
  const live = () => page.getByText("Live", { exact: true }).waitFor();
  const card = (claimId: string) => page.getByRole("article").filter({ hasText: claimId });
  const rows = () => page.locator(".entries .entry");

  it("sign-in - a one-time link signs in once, and its code leaves the address", async () => {
    console_.people.codes.set("12e345", "nadia");
    await page.goto(`${console_.url}/sign-in?code=12e345`);
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    expect(page.url()).toBe(`${console_.url}/sessions`);
    await context.clearCookies();
    await page.goto(`${console_.url}/sign-in?code=12e345`);
    await page.getByRole("alert").filter({ hasText: "used already" }).waitFor();
    await page.waitForURL(`${console_.url}/sign-in`);
  });

  it("sign-in - leads back to the page that was asked for, and keeps the name after a wrong password", async () => {
    await page.goto(`${console_.url}/approvals?show=decided`);
    await page.getByLabel("Name").fill("nadia");
    await page.getByLabel("Password").fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "Name or password is wrong" }).waitFor();
    expect(await page.getByLabel("Name").inputValue()).toBe("nadia");
    await page.getByLabel("Password").fill(FIXTURE_PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${console_.url}/approvals?show=decided`);
  });

  it("sign-in - one that ends elsewhere leads to the sign-in page", async () => {
    await signIn();
    await live();
    console_.people.forgetAll();
    await page.waitForURL(/\/sign-in\?next=%2Fsessions$/);
  });

  it("sessions - a new one appears by itself, and the filter is in the address", async () => {
    await signIn("nadia", "/sessions?status=running");
    await live();
    const started = new FixtureSession("new", {
      key: "CLM-2000",
      startedBy: { kind: "service", id: "claims-feed" },
      startedAt: Date.now(),
    });
    started.start("intake", { claim: "CLM-2000" });
    console_.services.world.sessions.push(started);
    console_.notify(started);
    await page.getByRole("link", { name: "CLM-2000" }).waitFor();
    expect(await page.locator(".sessions tbody tr").count()).toBe(2);
    await page.getByRole("button", { name: "Failed" }).click();
    await page.waitForURL(/status=failed/);
    await page.getByRole("cell", { name: "assessor" }).waitFor();
    expect(await page.locator(".sessions tbody tr").count()).toBe(1);
  });

  it("sessions - the list stays still under somebody who has scrolled", async () => {
    await signIn();
    await live();
    await page.mouse.move(700, 500);
    await page.mouse.wheel(0, 700);
    const anchor = page.getByRole("link", { name: "CLM-950" });
    await page.waitForFunction("window.scrollY > 600");
    const before = await anchor.boundingBox();
    for (const key of ["CLM-2001", "CLM-2002"]) {
      const started = new FixtureSession(key, {
        key,
        startedBy: { kind: "service", id: "claims-feed" },
        startedAt: Date.now(),
      });
      started.start("intake", {});
      console_.services.world.sessions.push(started);
      console_.notify(started);
    }
    await page.getByRole("button", { name: "2 new sessions: show" }).waitFor();
    // The button itself takes no room away from the list.
    expect(Math.abs(((await anchor.boundingBox())?.y ?? 0) - (before?.y ?? 0))).toBeLessThan(60);
    await page.getByRole("button", { name: "2 new sessions: show" }).click();
    await page.getByRole("link", { name: "CLM-2002" }).waitFor();
  });

  it("sessions - older ones come page by page", async () => {
    await signIn();
    await page.getByRole("button", { name: "Show older sessions" }).click();
    await page.getByText("72 sessions. That is all.").waitFor();
  });

  it("session - tells what every agent called, what came back, and which rule judged it", async () => {
    await signIn("nadia", `/sessions/${session(CLAIMS.recovered.claimId).session}`);
    await page.getByText("Record verified").waitFor();
    const payout = rows().filter({ hasText: "payments.payout" });
    for (const text of ["payout-fraud-signal", "approved by maria", "recovered", "receipt", "Done"]) {
      expect(await payout.innerText()).toContain(text);
    }
    expect(await rows().filter({ hasText: "worker-2 took over after worker-1 stopped" }).count()).toBe(1);
    await payout.click();
    const details = page.getByRole("complementary");
    await details.getByText("Two different cars. I called the claimant.").waitFor();
    await details.getByText("CHF 2,680.00").waitFor();
    await details.getByText("the tool's own books, after a crash").waitFor();
  });

  it("session - one that waits opens at the call that it waits for, and leads to the decision", async () => {
    await signIn("nadia", `/sessions/${session(CLAIMS.large.claimId).session}`);
    await page.getByRole("complementary").getByText("Payouts above 5,000.00 need two people").first().waitFor();
    await page.getByRole("link", { name: "Open the approval", exact: true }).first().click();
    await card(CLAIMS.large.claimId).getByRole("button", { name: "Approve" }).waitFor();
    await page.waitForURL(new RegExp(`approval=${approvalOf(CLAIMS.large.claimId).approval}`));
  });

  it("session - arrow keys step through the record; the address holds the place and the state follows", async () => {
    const written = session(CLAIMS.recovered.claimId);
    await signIn("nadia", `/sessions/${written.session}`);
    await page.getByText("56 of 56").waitFor();
    await page.keyboard.press("ArrowLeft");
    await page.getByText("55 of 56").waitFor();
    await page.getByRole("button", { name: "First event" }).click();
    await page.getByText("1 of 56", { exact: true }).waitFor();
    expect(await page.locator(".entry.later").count()).toBe((await rows().count()) - 1);
    await page.keyboard.press("ArrowRight");
    await page.waitForURL(new RegExp(`at=${written.session}\\.2`));
    await page.reload();
    await page.getByText("2 of 56", { exact: true }).waitFor();
    await page.getByRole("button", { name: "State of agents" }).click();
    const state = page.getByRole("complementary");
    await state.getByText("after its event 2").waitFor();
    expect(await state.getByText("policyStatus").count()).toBe(0);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await state.getByText("policyStatus").waitFor();
    await state.getByText("changed here").waitFor();
  });

  it("session - a record that was altered says which event is the first bad one", async () => {
    const written = session(CLAIMS.lapsed.claimId);
    const run = written.runs[1]?.run ?? "";
    console_.services.altered.set(written.session, { run, seq: 3, problem: "The stored text does not give its hash." });
    await signIn("nadia", `/sessions/${written.session}`);
    await page.getByRole("alert").filter({ hasText: "Record not verified" }).waitFor();
    await page.getByRole("link", { name: "event 3 of assessor" }).click();
    await page.waitForURL(new RegExp(`at=${run}\\.3`));
  });

  it("session - what tools and people wrote is text: nothing runs, and nothing hides", async () => {
    await signIn("nadia", `/sessions/${session(CLAIMS.hostile.claimId).session}`);
    await rows().first().click();
    const details = page.getByRole("complementary");
    await details.getByText("<script>alert(1)</script>").first().waitFor();
    for (const code of ["U+202E", "U+202C", "U+001B", "U+200B"])
      await details.getByText(code, { exact: true }).first().waitFor();
    expect(await page.locator("#root script").count()).toBe(0);
    expect(await page.content()).not.toContain("\u202E");
  });

  it("session - after the server was away it has exactly the events that it missed", async () => {
    const written = session("CLM-1080");
    await signIn("nadia", `/sessions/${written.session}`);
    await live();
    await page.getByText("3 events in 1 run").waitFor();
    await console_.stop();
    await page.getByRole("alert").filter({ hasText: "connection to the server is lost" }).waitFor();
    expect(await rows().count()).toBe(2);
    for (let i = 0; i < 50; i++) written.runs[0]?.node(i + 2, `step-${String(i)}`, { i });
    await console_.start();
    await page.getByText("103 events in 1 run").waitFor();
    await live();
    expect(await page.getByRole("alert").filter({ hasText: "lost" }).count()).toBe(0);
    written.runs[0]?.finish({ outcome: "settled" });
    console_.notify(written);
    await page.getByText("104 events in 1 run").waitFor();
    await page.getByText("Finished", { exact: true }).waitFor();
  });

  it("approvals - a second person agrees by keyboard, and sees what follows", async () => {
    const { argsHash } = approvalOf(CLAIMS.large.claimId);
    await signIn("nadia", "/approvals");
    const held = card(CLAIMS.large.claimId);
    for (const text of [
      "EUR 18,400.00",
      "Payouts above 5,000.00 need two people",
      "payout-above-limit",
      "maria approved",
      "claims-feed (service)",
      "One more is needed",
    ]) {
      await held.getByText(text).first().waitFor();
    }
    const sent = page.waitForRequest((request) => request.url().endsWith("/decide"));
    await held.getByLabel("Reason").focus();
    await page.keyboard.type("Checked the invoice.");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect((await sent).postDataJSON()).toEqual({ decision: "approve", reason: "Checked the invoice.", argsHash });
    await held.getByRole("status").filter({ hasText: "You approved. maria and nadia approved." }).waitFor();
    expect(await held.getByRole("button", { name: "Approve" }).count()).toBe(0);
  });

  it("approvals - a rejection needs a reason", async () => {
    await signIn("nadia", "/approvals");
    const held = card(CLAIMS.hostile.claimId);
    await held.getByRole("button", { name: "Reject" }).click();
    await held.getByRole("alert").filter({ hasText: "Say why" }).waitFor();
    expect(await page.evaluate("document.activeElement?.tagName")).toBe("TEXTAREA");
    await held.getByLabel("Reason").fill("The description is an attack.");
    await held.getByRole("button", { name: "Reject" }).click();
    await held.getByRole("status").filter({ hasText: "You rejected." }).waitFor();
    await page.getByRole("link", { name: "Decided" }).click();
    await card(CLAIMS.hostile.claimId).getByText("The description is an attack.").waitFor();
  });

  it("approvals - when somebody else decides, the card says who and what, and keeps what was typed", async () => {
    await signIn("nadia", "/approvals");
    await live();
    const held = card(CLAIMS.large.claimId);
    await held.getByLabel("Reason").fill("I was about to approve.");
    await decideAs("zoe", "reject", "The workshop does not exist.");
    await held.getByRole("status").filter({ hasText: "zoe rejected" }).waitFor();
    await held.getByText("The workshop does not exist.").waitFor();
    expect(await held.getByLabel("Reason").inputValue()).toBe("I was about to approve.");
  });

  it("approvals - a decision that comes too late says who was faster, and loses nothing typed", async () => {
    // Without the socket the page cannot know before it sends.
    await page.routeWebSocket("**/api/live", () => {});
    await signIn("nadia", "/approvals");
    const held = card(CLAIMS.large.claimId);
    await held.getByLabel("Reason").fill("Looks right to me.");
    await decideAs("zoe", "reject", "The workshop does not exist.");
    await held.getByRole("button", { name: "Approve" }).click();
    await held.getByRole("status").filter({ hasText: "Your decision came too late. zoe rejected" }).waitFor();
    expect(await held.getByLabel("Reason").inputValue()).toBe("Looks right to me.");
  });

  it("approvals - nobody is offered what they may not do", async () => {
    await signIn("maria", "/approvals");
    const held = card(CLAIMS.large.claimId);
    await held.getByText("You have decided already. Somebody else has to agree.").waitFor();
    expect(await held.getByRole("button", { name: "Approve" }).count()).toBe(0);
  });

  it("approvals - a call in doubt is settled in one of three ways, with a reason", async () => {
    await signIn("nadia", "/approvals");
    const doubt = card(CLAIMS.doubt.claimId);
    await doubt.getByRole("button", { name: "Record this" }).click();
    await doubt.getByRole("alert").filter({ hasText: "Choose what is true." }).waitFor();
    await doubt.getByLabel("It happened").check();
    await doubt.getByLabel("What it returned").fill("{receipt");
    await doubt.getByLabel("How do you know?").fill("It is in the ledger.");
    await doubt.getByRole("button", { name: "Record this" }).click();
    await doubt.getByRole("alert").filter({ hasText: "The result is not JSON" }).waitFor();
    await doubt.getByLabel("What it returned").fill('{"receipt":"L-77"}');
    const sent = page.waitForRequest((request) => request.url().endsWith("/api/doubts/resolve"));
    await doubt.getByRole("button", { name: "Record this" }).click();
    expect((await sent).postDataJSON()).toMatchObject({
      resolution: "happened",
      result: { receipt: "L-77" },
      reason: "It is in the ledger.",
    });
    await doubt.getByRole("status").filter({ hasText: "Recorded: it happened" }).waitFor();
  });

  it("every page - says so when there is nothing, no such thing, or no permission", async () => {
    await signIn("nadia", "/sessions?status=cancelled");
    await page.getByText("No session fits this filter").waitFor();
    await page.goto(`${console_.url}/sessions/00000000-0000-4000-8000-000000000000`);
    await page.getByText("There is no such session").waitFor();
    await page.goto(`${console_.url}/nowhere`);
    await page.getByText("There is no such page").waitFor();
    await context.clearCookies();
    await signIn("newcomer");
    await page.getByText("You may not see this list of sessions").waitFor();
  });

  it("every page - fits into 390 and 1440 pixels, in both themes", async () => {
    await signIn();
    const paths = [
      "/sessions",
      "/approvals",
      "/approvals?show=decided",
      `/sessions/${session(CLAIMS.large.claimId).session}`,
    ];
    for (const width of [390, 1440]) {
      await page.setViewportSize({ width, height: 844 });
      for (const path of paths) {
        await page.goto(console_.url + path);
        await page.locator("h1").waitFor();
        await page.locator(".card, .entry, .sessions tbody tr").first().waitFor();
        expect(await page.evaluate("document.documentElement.scrollWidth"), `${path} at ${String(width)}`).toBe(width);
      }
    }
    await page.getByRole("button", { name: /your sign-in and settings/ }).click();
    await page.getByLabel("dark").check({ force: true });
    await page.reload();
    expect(await page.evaluate("getComputedStyle(document.body).colorScheme")).toBe("dark");
  });

  it("the first load is under 250 KB compressed", async () => {
    const index = await readFile(join(built.folder, "index.html"), "utf8");
    const files = (await readdir(built.folder, { recursive: true })).filter(
      (file) => file.includes(".") && index.includes(file),
    );
    expect(files.length).toBeGreaterThan(2);
    const sizes = await Promise.all(
      files.map(async (file) => gzipSync(await readFile(join(built.folder, file))).length),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_LOAD_BYTES);
  });
});
