import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { withoutBrowser } from "../support/browser.ts";
import { FIXTURE_PASSWORD } from "../support/console-fixture.ts";
import { CLAIMS } from "../support/console-fixture-claims.ts";
import { VISIT } from "../support/console-fixture-question.ts";
import { FixtureSession } from "../support/console-fixture-journal.ts";
import { consolePages } from "../support/console-page.ts";

const FIRST_LOAD_BYTES = 250 * 1024;

describe.skipIf(withoutBrowser())("console pages", () => {
  const ui = consolePages();

  it("sign-in - a one-time link signs in once, and its code leaves the address", async () => {
    ui.served.people.codes.set("12e345", "nadia");
    await ui.page.goto(`${ui.served.url}/sign-in?code=12e345`);
    await ui.page.getByRole("heading", { name: "Sessions" }).waitFor();
    expect(ui.page.url()).toBe(`${ui.served.url}/sessions`);
    await ui.context.clearCookies();
    await ui.page.goto(`${ui.served.url}/sign-in?code=12e345`);
    await ui.page.getByRole("alert").filter({ hasText: "used already" }).waitFor();
    await ui.page.waitForURL(`${ui.served.url}/sign-in`);
  });

  it("sign-in - leads back to the page that was asked for, and keeps the name after a wrong password", async () => {
    await ui.page.goto(`${ui.served.url}/inbox?show=settled`);
    await ui.page.getByLabel("Name").fill("nadia");
    await ui.page.getByLabel("Password").fill("wrong");
    await ui.page.keyboard.press("Enter");
    await ui.page.getByRole("alert").filter({ hasText: "Name or password is wrong" }).waitFor();
    expect(await ui.page.getByLabel("Name").inputValue()).toBe("nadia");
    await ui.page.getByLabel("Password").fill(FIXTURE_PASSWORD);
    await ui.page.getByRole("button", { name: "Sign in" }).click();
    await ui.page.waitForURL(`${ui.served.url}/inbox?show=settled`);
  });

  it("sign-in - one that ends elsewhere leads to the sign-in page", async () => {
    await ui.signIn();
    await ui.live();
    ui.served.people.forgetAll();
    await ui.page.waitForURL(/\/sign-in\?next=%2Fsessions$/);
  });

  it("sessions - a new one appears by itself, and the filter is in the address", async () => {
    await ui.signIn("nadia", "/sessions?status=running");
    await ui.live();
    const started = new FixtureSession("new", {
      key: "CLM-2000",
      startedBy: { kind: "service", id: "claims-feed" },
      startedAt: Date.now(),
    });
    started.start("intake", { claim: "CLM-2000" });
    ui.served.services.world.sessions.push(started);
    ui.served.notify(started);
    await ui.page.getByRole("link", { name: "CLM-2000" }).waitFor();
    expect(await ui.page.locator(".sessions tbody tr").count()).toBe(2);
    await ui.page.getByRole("button", { name: "Failed" }).click();
    await ui.page.waitForURL(/status=failed/);
    await ui.page.getByRole("cell", { name: "assessor" }).waitFor();
    expect(await ui.page.locator(".sessions tbody tr").count()).toBe(1);
  });

  it("sessions - the list stays still under somebody who has scrolled", async () => {
    await ui.signIn();
    await ui.live();
    await ui.page.mouse.move(700, 500);
    await ui.page.mouse.wheel(0, 700);
    const anchor = ui.page.getByRole("link", { name: "CLM-950" });
    await ui.page.waitForFunction("window.scrollY > 600");
    const before = await anchor.boundingBox();
    for (const key of ["CLM-2001", "CLM-2002"]) {
      const started = new FixtureSession(key, {
        key,
        startedBy: { kind: "service", id: "claims-feed" },
        startedAt: Date.now(),
      });
      started.start("intake", {});
      ui.served.services.world.sessions.push(started);
      ui.served.notify(started);
    }
    await ui.page.getByRole("button", { name: "2 new sessions: show" }).waitFor();
    // The button itself takes no room away from the list.
    expect(Math.abs(((await anchor.boundingBox())?.y ?? 0) - (before?.y ?? 0))).toBeLessThan(60);
    await ui.page.getByRole("button", { name: "2 new sessions: show" }).click();
    await ui.page.getByRole("link", { name: "CLM-2002" }).waitFor();
  });

  it("sessions - older ones come page by page", async () => {
    await ui.signIn();
    await ui.page.getByRole("button", { name: "Show older sessions" }).click();
    await ui.page.getByText("73 sessions. That is all.").waitFor();
  });

  it("session - tells what every agent called, what came back, and which rule judged it", async () => {
    await ui.signIn("nadia", `/sessions/${ui.session(CLAIMS.recovered.claimId).session}`);
    await ui.page.getByText("Record verified").waitFor();
    const payout = ui.rows().filter({ hasText: "payments.payout" });
    for (const text of ["payout-fraud-signal", "approved by maria", "recovered", "receipt", "Done"]) {
      expect(await payout.innerText()).toContain(text);
    }
    expect(await ui.rows().filter({ hasText: "worker-2 took over after worker-1 stopped" }).count()).toBe(1);
    await payout.click();
    const details = ui.page.getByRole("complementary");
    await details.getByText("Two different cars. I called the claimant.").waitFor();
    await details.getByText("CHF 2,680.00").waitFor();
    await details.getByText("the tool's own books, after a crash").waitFor();
  });

  it("session - arrow keys step through the record; the address holds the place and the state follows", async () => {
    const written = ui.session(CLAIMS.recovered.claimId);
    await ui.signIn("nadia", `/sessions/${written.session}`);
    await ui.page.getByText("56 of 56").waitFor();
    await ui.page.keyboard.press("ArrowLeft");
    await ui.page.getByText("55 of 56").waitFor();
    await ui.page.getByRole("button", { name: "First event" }).click();
    await ui.page.getByText("1 of 56", { exact: true }).waitFor();
    expect(await ui.page.locator(".entry.later").count()).toBe((await ui.rows().count()) - 1);
    await ui.page.keyboard.press("ArrowRight");
    await ui.page.waitForURL(new RegExp(`at=${written.session}\\.2`));
    await ui.page.reload();
    await ui.page.getByText("2 of 56", { exact: true }).waitFor();
    await ui.page.getByRole("button", { name: "State of agents" }).click();
    const state = ui.page.getByRole("complementary");
    await state.getByText("after its event 2").waitFor();
    expect(await state.getByText("policyStatus").count()).toBe(0);
    await ui.page.keyboard.press("ArrowRight");
    await ui.page.keyboard.press("ArrowRight");
    await state.getByText("policyStatus").waitFor();
    await state.getByText("changed here").waitFor();
  });

  it("session - a record that was altered says which event is the first bad one", async () => {
    const written = ui.session(CLAIMS.lapsed.claimId);
    const run = written.runs[1]?.run ?? "";
    ui.served.services.altered.set(written.session, {
      run,
      seq: 3,
      problem: "The stored text does not give its hash.",
    });
    await ui.signIn("nadia", `/sessions/${written.session}`);
    await ui.page.getByRole("alert").filter({ hasText: "Record not verified" }).waitFor();
    await ui.page.getByRole("link", { name: "event 3 of assessor" }).click();
    await ui.page.waitForURL(new RegExp(`at=${run}\\.3`));
  });

  it("session - what tools and people wrote is text: nothing runs, and nothing hides", async () => {
    await ui.signIn("nadia", `/sessions/${ui.session(CLAIMS.hostile.claimId).session}`);
    await ui.rows().first().click();
    const details = ui.page.getByRole("complementary");
    await details.getByText("<script>alert(1)</script>").first().waitFor();
    for (const code of ["U+202E", "U+202C", "U+001B", "U+200B"])
      await details.getByText(code, { exact: true }).first().waitFor();
    expect(await ui.page.locator("#root script").count()).toBe(0);
    expect(await ui.page.content()).not.toContain("\u202E");
  });

  it("session - after the server was away it has exactly the events that it missed", async () => {
    const written = ui.session("CLM-1080");
    await ui.signIn("nadia", `/sessions/${written.session}`);
    await ui.live();
    await ui.page.getByText("3 events in 1 run").waitFor();
    await ui.served.stop();
    await ui.page.getByRole("alert").filter({ hasText: "connection to the server is lost" }).waitFor();
    expect(await ui.rows().count()).toBe(2);
    for (let i = 0; i < 50; i++) written.runs[0]?.node(i + 2, `step-${String(i)}`, { i });
    await ui.served.start();
    await ui.page.getByText("103 events in 1 run").waitFor();
    await ui.live();
    expect(await ui.page.getByRole("alert").filter({ hasText: "lost" }).count()).toBe(0);
    written.runs[0]?.finish({ outcome: "settled" });
    ui.served.notify(written);
    await ui.page.getByText("104 events in 1 run").waitFor();
    await ui.page.getByText("Finished", { exact: true }).waitFor();
  });

  it("every page - says so when there is nothing, no such thing, or no permission", async () => {
    await ui.signIn("nadia", "/sessions?status=cancelled");
    await ui.page.getByText("No session fits this filter").waitFor();
    await ui.page.goto(`${ui.served.url}/sessions/00000000-0000-4000-8000-000000000000`);
    await ui.page.getByText("There is no such session").waitFor();
    await ui.page.goto(`${ui.served.url}/nowhere`);
    await ui.page.getByText("There is no such page").waitFor();
    await ui.context.clearCookies();
    await ui.signIn("newcomer");
    await ui.page.getByText("You may not see this list of sessions").waitFor();
  });

  it("every page - fits into 390 and 1440 pixels, in both themes", async () => {
    await ui.signIn();
    const paths = [
      "/sessions",
      "/inbox",
      "/inbox?only=questions",
      "/inbox?show=settled",
      `/sessions/${ui.session(CLAIMS.large.claimId).session}`,
      `/sessions/${ui.session(VISIT.key).session}`,
    ];
    for (const width of [390, 1440]) {
      await ui.page.setViewportSize({ width, height: 844 });
      for (const path of paths) {
        await ui.page.goto(ui.served.url + path);
        await ui.page.locator("h1").waitFor();
        await ui.page.locator(".card, .entry, .sessions tbody tr").first().waitFor();
        expect(await ui.page.evaluate("document.documentElement.scrollWidth"), `${path} at ${String(width)}`).toBe(
          width,
        );
      }
    }
    await ui.page.getByRole("button", { name: /your sign-in and settings/ }).click();
    await ui.page.getByLabel("dark").check({ force: true });
    await ui.page.reload();
    expect(await ui.page.evaluate("getComputedStyle(document.body).colorScheme")).toBe("dark");
  });

  it("the first load is under 250 KB compressed", async () => {
    const index = await readFile(join(ui.webRoot, "index.html"), "utf8");
    const files = (await readdir(ui.webRoot, { recursive: true })).filter(
      (file) => file.includes(".") && index.includes(file),
    );
    expect(files.length).toBeGreaterThan(2);
    const sizes = await Promise.all(files.map(async (file) => gzipSync(await readFile(join(ui.webRoot, file))).length));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(FIRST_LOAD_BYTES);
  });
});
