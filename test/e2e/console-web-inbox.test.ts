import { describe, expect, it } from "vitest";
import type { ApprovalView } from "../../runtime/core/protocol.ts";
import { withoutBrowser } from "../support/browser.ts";
import { CLAIMS } from "../support/console-fixture-claims.ts";
import { goOn, VISIT } from "../support/console-fixture-question.ts";
import { consolePages } from "../support/console-page.ts";

describe.skipIf(withoutBrowser())("the inbox", () => {
  const ui = consolePages();

  const approvalOf = (claimId: string): ApprovalView => {
    const id = ui.session(claimId).session;
    const found = ui.served.services.world.approvals.find((each) => each.session === id && each.status === "pending");
    if (found === undefined) throw new Error(`Nothing is held in ${claimId}.`);
    return found;
  };
  const decideAs = (name: string, decision: "approve" | "reject", reason: string) => {
    const { approval, argsHash } = approvalOf(CLAIMS.large.claimId);
    const person = { name, kind: "person", roles: ["operator"], pools: ["claims"] } as const;
    return ui.served.services.decide(person, approval, { decision, reason, argsHash });
  };

  it("session - one that waits opens at the call that it waits for, and leads to the decision", async () => {
    await ui.signIn("nadia", `/sessions/${ui.session(CLAIMS.large.claimId).session}`);
    await ui.page.getByRole("complementary").getByText("Payouts above 5,000.00 need two people").first().waitFor();
    await ui.page.getByRole("link", { name: "Open the approval", exact: true }).first().click();
    await ui.card(CLAIMS.large.claimId).getByRole("button", { name: "Approve" }).waitFor();
    await ui.page.waitForURL(new RegExp(`approval=${approvalOf(CLAIMS.large.claimId).approval}`));
  });

  it("approvals - a second person agrees by keyboard, and sees what follows", async () => {
    const { argsHash } = approvalOf(CLAIMS.large.claimId);
    await ui.signIn("nadia", "/inbox");
    const held = ui.card(CLAIMS.large.claimId);
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
    const sent = ui.page.waitForRequest((request) => request.url().endsWith("/decide"));
    await held.getByLabel("Reason").focus();
    await ui.page.keyboard.type("Checked the invoice.");
    await ui.page.keyboard.press("Tab");
    await ui.page.keyboard.press("Enter");
    expect((await sent).postDataJSON()).toEqual({ decision: "approve", reason: "Checked the invoice.", argsHash });
    await held.getByRole("status").filter({ hasText: "maria and you approved." }).waitFor();
    expect(await held.getByRole("button", { name: "Approve" }).count()).toBe(0);
  });

  it("approvals - a rejection needs a reason", async () => {
    await ui.signIn("nadia", "/inbox");
    const held = ui.card(CLAIMS.hostile.claimId);
    await held.getByRole("button", { name: "Reject" }).click();
    await held.getByRole("alert").filter({ hasText: "Say why" }).waitFor();
    expect(await ui.page.evaluate("document.activeElement?.tagName")).toBe("TEXTAREA");
    await held.getByLabel("Reason").fill("The description is an attack.");
    await held.getByRole("button", { name: "Reject" }).click();
    await held.getByRole("status").filter({ hasText: "You rejected." }).waitFor();
    await ui.page.getByRole("link", { name: "Settled" }).click();
    await ui.card(CLAIMS.hostile.claimId).getByText("The description is an attack.").waitFor();
  });

  it("approvals - when somebody else decides, the card says who and what, and keeps what was typed", async () => {
    await ui.signIn("nadia", "/inbox");
    await ui.live();
    const held = ui.card(CLAIMS.large.claimId);
    await held.getByLabel("Reason").fill("I was about to approve.");
    await decideAs("zoe", "reject", "The workshop does not exist.");
    await held.getByRole("status").filter({ hasText: "zoe rejected" }).waitFor();
    await held.getByText("The workshop does not exist.").waitFor();
    expect(await held.getByLabel("Reason").inputValue()).toBe("I was about to approve.");
  });

  it("approvals - a decision that comes too late says who was faster, and loses nothing typed", async () => {
    // Without the socket the page cannot know before it sends.
    await ui.page.routeWebSocket("**/api/live", () => {});
    await ui.signIn("nadia", "/inbox");
    const held = ui.card(CLAIMS.large.claimId);
    await held.getByLabel("Reason").fill("Looks right to me.");
    await decideAs("zoe", "reject", "The workshop does not exist.");
    await held.getByRole("button", { name: "Approve" }).click();
    await held.getByRole("status").filter({ hasText: "Your decision came too late. zoe rejected" }).waitFor();
    expect(await held.getByLabel("Reason").inputValue()).toBe("Looks right to me.");
  });

  it("approvals - nobody is offered what they may not do", async () => {
    await ui.signIn("maria", "/inbox");
    const held = ui.card(CLAIMS.large.claimId);
    await held.getByText("You have decided already. Somebody else has to agree.").waitFor();
    expect(await held.getByRole("button", { name: "Approve" }).count()).toBe(0);
  });

  it("approvals - a call in doubt is settled in one of three ways, with a reason", async () => {
    await ui.signIn("nadia", "/inbox");
    const doubt = ui.card(CLAIMS.doubt.claimId);
    await doubt.getByRole("button", { name: "Record this" }).click();
    await doubt.getByRole("alert").filter({ hasText: "Choose what is true." }).waitFor();
    await doubt.getByLabel("It happened").check();
    await doubt.getByLabel("What it returned").fill("{receipt");
    await doubt.getByLabel("How do you know?").fill("It is in the ledger.");
    await doubt.getByRole("button", { name: "Record this" }).click();
    await doubt.getByRole("alert").filter({ hasText: "The result is not JSON" }).waitFor();
    await doubt.getByLabel("What it returned").fill('{"receipt":"L-77"}');
    const sent = ui.page.waitForRequest((request) => request.url().endsWith("/api/doubts/resolve"));
    await doubt.getByRole("button", { name: "Record this" }).click();
    expect((await sent).postDataJSON()).toMatchObject({
      resolution: "happened",
      result: { receipt: "L-77" },
      reason: "It is in the ledger.",
    });
    await doubt.getByRole("status").filter({ hasText: "Recorded: it happened" }).waitFor();
  });

  it("questions - the answer is sent with the types that the question asks for, and goes into the record", async () => {
    await ui.signIn("nadia", `/sessions/${ui.session(VISIT.key).session}`);
    await ui.live();
    await ui.rows().filter({ hasText: "question to claims" }).getByText(VISIT.text).waitFor();
    await ui.page.getByRole("link", { name: "Open the question" }).first().click();
    const asked = ui.card(VISIT.text);
    await asked.getByText("visits asks the pool claims").waitFor();
    await asked.getByLabel("M. Rossi").check();
    await asked.getByLabel("date").fill("2026-12-01");
    await asked.getByLabel("budgetCents").fill("12500");
    await asked.getByText("125.00").waitFor();
    await asked.getByLabel("No", { exact: true }).check();
    const sent = ui.page.waitForRequest((request) => request.url().endsWith("/answer"));
    await ui.page.keyboard.press("Enter");
    const visit = { surveyor: "M. Rossi", date: "2026-12-01", budgetCents: 12_500, urgent: false };
    expect((await sent).postDataJSON()).toEqual({ answer: visit });
    await asked.getByRole("status").filter({ hasText: "You answered." }).waitFor();
    const written = ui.session(VISIT.key);
    const answered = ui.served.services.world.questions.find((each) => each.session === written.session);
    if (answered !== undefined) goOn(written, answered);
    ui.served.notify(written);
    await asked.getByRole("link", { name: "What led to this" }).click();
    await ui.rows().filter({ hasText: "answered by nadia" }).click();
    await ui.page.getByRole("complementary").getByText("nadia answered after 1 min").waitFor();
    await ui.page.goto(`${ui.served.url}/inbox?show=settled`);
    await ui.card(VISIT.text).getByText("M. Rossi").waitFor();
  });

  it("questions - what is missing is said and pointed at, and nothing typed is lost when somebody else answers", async () => {
    await ui.signIn("nadia", "/inbox?only=questions");
    await ui.live();
    const asked = ui.card(VISIT.text);
    await asked.getByLabel("M. Rossi").check();
    await asked.getByLabel("note").fill("Ring twice.");
    await asked.getByRole("button", { name: "Answer" }).click();
    await asked.getByRole("alert").filter({ hasText: "“date” is needed." }).waitFor();
    expect(await ui.page.evaluate("document.activeElement?.type")).toBe("date");
    const zoe = { name: "zoe", kind: "person", roles: ["operator"], pools: ["claims"] } as const;
    const id = ui.served.services.world.questions[0]?.question ?? "";
    const answer = { surveyor: "A. Keller", date: "2026-12-02", budgetCents: 1, urgent: true };
    await ui.served.services.answerQuestion(zoe, id, { answer });
    await asked.getByRole("status").filter({ hasText: "zoe answered." }).waitFor();
    await asked.getByText("A. Keller").first().waitFor();
    expect(await asked.getByLabel("note").inputValue()).toBe("Ring twice.");
    expect(await asked.getByRole("button", { name: "Answer" }).count()).toBe(0);
  });

  it("inbox - shows all kinds or one, and older links to approvals still lead there", async () => {
    await ui.signIn("nadia", "/approvals?show=decided");
    await ui.page.waitForURL(`${ui.served.url}/inbox?show=settled`);
    const waiting = ui.page.getByRole("link", { name: "Waiting", exact: true });
    expect(await waiting.getAttribute("aria-current")).not.toBe("page");
    await waiting.click();
    const headings = ui.page.getByRole("heading", { level: 2 });
    await headings.first().waitFor();
    const titles = (await headings.allInnerTexts()).map((text) => /^(In doubt|Approvals|Questions)/.exec(text)?.[0]);
    expect(titles).toEqual(["In doubt", "Approvals", "Questions"]);
    await ui.page.getByRole("navigation", { name: "Kinds" }).getByRole("link", { name: "Questions 1" }).click();
    await ui.page.waitForURL(/only=questions/);
    expect(await ui.page.getByRole("article").count()).toBe(1);
  });

  it("inbox - when one kind cannot be read, it says so and shows the others", async () => {
    const error = { code: "INTERNAL", message: "Something went wrong." };
    await ui.page.route("**/api/questions?*", (route) => route.fulfill({ status: 500, json: { error } }));
    await ui.signIn("nadia", "/inbox");
    await ui.page.getByRole("alert").filter({ hasText: "“Questions” could not be read" }).waitFor();
    await ui.card(CLAIMS.large.claimId).getByRole("button", { name: "Approve" }).waitFor();
  });

  it("inbox - whoever may only read is told so, and is offered no form", async () => {
    await ui.signIn("victor", "/inbox");
    await ui.card(CLAIMS.doubt.claimId).getByText("To act on it needs the role operator").waitFor();
    const forms = ui.page.getByRole("article").getByRole("button", { name: /Approve|Reject|Record this|Answer/ });
    expect(await forms.count()).toBe(0);
  });
});
