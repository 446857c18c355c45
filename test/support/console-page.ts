import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { launchChromium } from "./browser.ts";
import { startConsoleFixture, type ConsoleFixture } from "./console-fixture.ts";
import type { FixtureSession } from "./console-fixture-journal.ts";
import { buildConsoleWeb } from "./console-web-build.ts";

/** What a test of the pages works with: each test has a console and a page of its own. */
export interface ConsolePages {
  readonly page: Page;
  readonly context: BrowserContext;
  readonly served: ConsoleFixture;
  /** The folder of the built pages. */
  readonly webRoot: string;
  /** Opens a place of the console as somebody who signs in with a one-time link. */
  signIn(name?: string, path?: string): Promise<void>;
  /** Resolves when the page hears the server. */
  live(): Promise<void>;
  /** The session with this key. */
  session(key: string): FixtureSession;
  /** The inbox's card with this text. */
  card(text: string): Locator;
  /** The rows of a session's page. */
  rows(): Locator;
}

/**
 * Sets up a browser on the console's fixture for the tests of the `describe` block that it is called
 * in. A test fails if its page throws, opens a dialog, or does what the content security policy forbids.
 */
export function consolePages(): ConsolePages {
  let built: Awaited<ReturnType<typeof buildConsoleWeb>> | undefined;
  let browser: Browser | undefined;
  let now: { page: Page; context: BrowserContext; served: ConsoleFixture } | undefined;
  let problems: string[] = [];
  const current = () => {
    if (now === undefined) throw new Error("There is a page only within a test.");
    return now;
  };

  beforeAll(async () => {
    built = await buildConsoleWeb();
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await built?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    if (built === undefined || browser === undefined) throw new Error("The pages or the browser did not start.");
    const served = await startConsoleFixture(built.folder);
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    problems = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("dialog", (dialog) => problems.push(`A dialog opened: ${dialog.message()}`));
    page.on("console", (message) => {
      if (message.text().includes("Content Security Policy")) problems.push(message.text());
    });
    now = { page, context, served };
  });
  afterEach(async () => {
    const { context, served } = current();
    now = undefined;
    await context.close();
    await served[Symbol.asyncDispose]();
    expect(problems).toEqual([]);
  });

  return {
    get page() {
      return current().page;
    },
    get context() {
      return current().context;
    },
    get served() {
      return current().served;
    },
    get webRoot() {
      return built?.folder ?? "";
    },
    async signIn(name = "nadia", path = "/sessions") {
      const { page, served } = current();
      served.people.codes.set(`code-${name}`, name);
      await page.goto(`${served.url}/sign-in?code=code-${name}&next=${encodeURIComponent(path)}`);
      await page.getByRole("link", { name: "Sessions", exact: true }).waitFor();
    },
    live: () => current().page.getByText("Live", { exact: true }).waitFor(),
    session(key) {
      const found = current().served.services.world.sessions.find((each) => each.key === key);
      if (found === undefined) throw new Error(`There is no session of ${key}.`);
      return found;
    },
    card: (text) => current().page.getByRole("article").filter({ hasText: text }),
    rows: () => current().page.locator(".entries .entry"),
  };
}
