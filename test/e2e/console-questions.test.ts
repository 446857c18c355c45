import { randomUUID } from "node:crypto";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import type { Browser, Page } from "playwright-core";
import { defineAgent, defineConfig } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { QuestionView } from "../../runtime/core/protocol.ts";
import { launchChromium, withoutBrowser } from "../support/browser.ts";
import type { Caller } from "../support/console.ts";
import { buildConsoleWeb } from "../support/console-web-build.ts";
import { ask, codeOf } from "../support/http.ts";
import { startPlatformConsole, type PlatformConsole } from "../support/platform-console.ts";
import { startTestPlatform, type TestPlatform } from "../support/platform.ts";
import { PERMIT_ALL, rulesFile } from "../support/rules-file.ts";

const State = Annotation.Root({ car: Annotation<string>(), answer: Annotation<unknown>() });
const anAnswer = z.object({
  choice: z.enum(["repair", "replace"]),
  budgetCents: z.int().positive(),
  note: z.string().optional(),
});

const garage = defineAgent({
  name: "garage",
  state: State,
  graph: ({ human }) =>
    new StateGraph(State)
      .addNode("ask", async ({ car }) => ({
        answer: await human.ask({ question: `Repair or replace ${car}?`, pool: "workshop", answer: anAnswer }),
      }))
      .addEdge(START, "ask")
      .addEdge("ask", END),
});

/** Asks, and fails in another branch meanwhile. */
const hasty = defineAgent({
  name: "hasty",
  state: State,
  graph: ({ human, clock }) =>
    new StateGraph(State)
      .addNode("ask", async () => ({
        answer: await human.ask({ question: "Well?", pool: "workshop", answer: z.string() }),
      }))
      .addNode("fail", async () => {
        for (let i = 0; i < 20; i++) await clock.now();
        throw new Error("The branch beside it fails.");
      })
      .addEdge(START, "ask")
      .addEdge(START, "fail")
      .addEdge("ask", END)
      .addEdge("fail", END),
});

let platform: TestPlatform;
let served: PlatformConsole;
let built: Awaited<ReturnType<typeof buildConsoleWeb>> | undefined;
let olga: Caller;
let peter: Caller;
let start: (car: string) => Promise<string>;
let startHasty: () => Promise<string>;

beforeAll(async () => {
  platform = await startTestPlatform();
  if (!withoutBrowser()) built = await buildConsoleWeb();
  const config = defineConfig({ agents: [garage, hasty], rules: [await rulesFile(PERMIT_ALL)] });
  served = await startPlatformConsole(platform, config, built?.folder);
  await platform.worker(config);
  olga = await served.caller("olga", ["operator"], { pools: ["workshop"] });
  peter = await served.caller("peter", ["operator"], { pools: ["workshop"] });
  start = (car) => platform.start(config, "garage", { car }, car);
  startHasty = () => platform.start(config, "hasty", {});
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await platform[Symbol.asyncDispose]();
  await built?.[Symbol.asyncDispose]();
});

async function listed(status: "open" | "past" | "all", reader = olga): Promise<QuestionView[]> {
  const answer = await reader.get(`/api/questions?status=${status}`);
  return (answer.json() as { questions: QuestionView[] }).questions;
}

/** Starts a run that asks, and gives what it asks once it waits. */
async function asked(car: string): Promise<{ readonly run: string; readonly question: QuestionView }> {
  const run = await start(car);
  await platform.reach(run, "parked");
  const question = (await listed("open")).find((open) => open.run === run);
  if (question === undefined) throw new Error("Nothing is asked.");
  return { run, question };
}

const pathOf = ({ question }: QuestionView) => `/api/questions/${question}/answer`;
const REPAIR = { choice: "repair", budgetCents: 90_000 };

describe("questions over HTTP", () => {
  test("question - is listed with everything that an answer needs, and the answer reaches the run", async () => {
    const { run, question } = await asked("the Volvo");
    expect(question).toMatchObject({
      session: run,
      sessionKey: "the Volvo",
      agent: "garage",
      pool: "workshop",
      text: "Repair or replace the Volvo?",
      answer: { type: "object", required: ["choice", "budgetCents"] },
      startedBy: { kind: "person", id: "ada" },
      status: "open",
      answered: null,
      cannotAnswer: null,
    });
    const answer = await olga.post(pathOf(question), { answer: REPAIR });
    expect(answer.status).toBe(200);
    const answered = answer.json() as QuestionView;
    expect(answered).toMatchObject({ status: "answered", answered: { by: "olga", value: REPAIR } });
    const events = await platform.reach(run, "finished");
    expect(events.at(-1)?.data).toMatchObject({ output: { answer: REPAIR } });
    expect((await listed("open")).some((open) => open.run === run)).toBe(false);
    expect((await listed("past"))[0]).toEqual(answered);
    expect((await olga.get(`/api/questions/${question.question}`)).json()).toEqual(answered);
  });

  test("answer - by somebody who is not signed in, in another pool, a viewer or a service is refused", async () => {
    const { question } = await asked("the Fiat");
    const post = (caller: Caller) => caller.post(pathOf(question), { answer: REPAIR });
    const stranger = await ask(served.url + pathOf(question), { method: "POST", body: { answer: REPAIR } });
    expect([stranger.status, codeOf(stranger)]).toEqual([401, "NOT_SIGNED_IN"]);
    const gardener = await served.caller("gardener", ["operator"], { pools: ["garden"] });
    const wrongPool = await post(gardener);
    expect([wrongPool.status, codeOf(wrongPool)]).toEqual([403, "NOT_IN_POOL"]);
    expect(wrongPool.text).toContain('\\"workshop\\"');
    const [shown] = (await listed("open", gardener)).filter((open) => open.question === question.question);
    expect(shown?.cannotAnswer).toContain("you are not in it");
    const viewer = await served.caller("viewer", ["viewer"], { pools: ["workshop"] });
    const robot = await served.caller("robot", ["operator"], { kind: "service", pools: ["workshop"] });
    for (const caller of [viewer, robot]) {
      const refused = await post(caller);
      expect([refused.status, codeOf(refused)], caller.name).toEqual([403, "FORBIDDEN"]);
    }
    expect((await olga.get(`/api/questions/${question.question}`)).json()).toMatchObject({ status: "open" });
  });

  test("answer - that does not fit is refused, says where, and leaves the question open", async () => {
    const { run, question } = await asked("the Saab");
    const cases: readonly (readonly [unknown, string])[] = [
      [{ choice: "burn", budgetCents: 1 }, "choice"],
      [{ choice: "repair" }, "budgetCents"],
      [{ choice: "repair", budgetCents: "90000" }, "budgetCents"],
      [{ choice: "repair", budgetCents: 0.5 }, "budgetCents"],
      ["repair", "the answer"],
      [null, "the answer"],
    ];
    for (const [given, named] of cases) {
      const refused = await olga.post(pathOf(question), { answer: given });
      expect([refused.status, codeOf(refused)], JSON.stringify(given)).toEqual([400, "INVALID_ANSWER"]);
      expect(refused.text).toContain(named);
    }
    expect((await olga.post(pathOf(question), { answer: REPAIR })).status).toBe(200);
    await platform.reach(run, "finished");
  });

  test("answer - twice at once: one counts, the other is told who was faster", async () => {
    const { run, question } = await asked("the Opel");
    const replace = { choice: "replace", budgetCents: 1 };
    const both = await Promise.all([
      olga.post(pathOf(question), { answer: REPAIR }),
      peter.post(pathOf(question), { answer: replace }),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    const [winner, value] = both[0].status === 200 ? ["olga", REPAIR] : ["peter", replace];
    const late = both.find(({ status }) => status === 409);
    expect(late && codeOf(late)).toBe("ALREADY_DECIDED");
    expect(late?.text).toContain(`answered by ${winner}`);
    const events = await platform.reach(run, "finished");
    expect(events.at(-1)?.data).toMatchObject({ output: { answer: value } });
    const again = await olga.post(pathOf(question), { answer: REPAIR });
    expect([again.status, codeOf(again)]).toEqual([409, "ALREADY_DECIDED"]);
  });

  test("answer - to what was never asked, or whose run has ended, is refused", async () => {
    const unknown = await olga.post(`/api/questions/${randomUUID()}/answer`, { answer: "x" });
    expect([unknown.status, codeOf(unknown)]).toEqual([404, "NOT_FOUND"]);
    const run = await startHasty();
    await platform.reach(run, "failed");
    const question = (await listed("past")).find((past) => past.run === run);
    expect(question).toMatchObject({ status: "void", answered: null });
    const late = await olga.post(`/api/questions/${question?.question ?? ""}/answer`, { answer: "x" });
    expect([late.status, codeOf(late)]).toEqual([409, "ALREADY_DECIDED"]);
  });
});

describe.skipIf(withoutBrowser())("questions in the console", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  async function inboxOf(name: string): Promise<Page> {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    context.setDefaultTimeout(20_000);
    const page = await context.newPage();
    const { code } = await served.people.createSignInCode(name);
    await page.goto(`${served.url}/sign-in?code=${code}&next=${encodeURIComponent("/inbox?only=questions")}`);
    await page.getByText("Live", { exact: true }).waitFor();
    return page;
  }

  test("question - appears live, a person answers it, the run goes on, and others see the answer", async () => {
    const [mine, other] = await Promise.all([inboxOf("olga"), inboxOf("peter")]);
    const run = await start("the Škoda");
    const card = (page: Page) => page.getByRole("article").filter({ hasText: "Repair or replace the Škoda?" });
    await card(mine).getByText("garage asks the pool workshop").waitFor();
    await card(other).getByLabel("note").fill("I was about to answer.");

    await card(mine).getByRole("button", { name: "Answer" }).click();
    await card(mine).getByRole("alert").filter({ hasText: "“choice” is needed." }).waitFor();
    await card(mine).getByLabel("replace").check();
    await card(mine).getByLabel("budgetCents").fill("-5");
    await card(mine).getByRole("button", { name: "Answer" }).click();
    await card(mine).getByRole("alert").filter({ hasText: "does not fit the question: budgetCents" }).waitFor();
    await card(mine).getByLabel("budgetCents").fill("1240000");
    await card(mine).getByText("12,400.00").waitFor();
    await card(mine).getByRole("button", { name: "Answer" }).click();
    await card(mine).getByRole("status").filter({ hasText: "You answered." }).waitFor();

    const events = await platform.reach(run, "finished");
    expect(events.at(-1)?.data).toMatchObject({ output: { answer: { choice: "replace", budgetCents: 1_240_000 } } });
    await card(other).getByRole("status").filter({ hasText: "olga answered" }).waitFor();
    expect(await card(other).getByLabel("note").inputValue()).toBe("I was about to answer.");

    await card(mine).getByRole("link", { name: "What led to this" }).click();
    const row = mine.locator(".entry").filter({ hasText: "question to workshop" });
    await row.getByText("answered by olga").waitFor();
    await mine.getByText("Finished", { exact: true }).waitFor();
    await Promise.all([mine, other].map((page) => page.context().close()));
  });
});
