import { describe, expect, it } from "vitest";
import { withoutBrowser } from "../support/browser.ts";
import { FixtureSession } from "../support/console-fixture-journal.ts";
import { consolePages } from "../support/console-page.ts";

describe.skipIf(withoutBrowser())("a model that speaks, on the session's page", () => {
  const ui = consolePages();

  it("its words grow in an entry of their own, as text, and the recorded reply takes their place", async () => {
    const written = new FixtureSession("speaks", {
      key: "CLM-3000",
      startedBy: { kind: "service", id: "claims-feed" },
      startedAt: Date.now(),
    });
    const run = written.start("writer", { claim: "CLM-3000" });
    ui.served.services.world.sessions.push(written);
    await ui.signIn("nadia", `/sessions/${written.session}`);
    await ui.live();
    await ui.rows().first().waitFor();
    expect(await ui.rows().count()).toBe(1);

    const start = { kind: "model", name: "model.chat:letters", node: "1/write", input: { prompt: "Write." } } as const;
    const { effect } = run.proposal({ ...start, class: "read" });
    const words = { session: written.session, run: run.run, effect, node: "1/write", name: "model.chat:letters" };
    const hostile = `<img src=x onerror="alert(1)"> Dear Ada,\n`;
    const speaking = ui.page.locator(".entry.speaking");
    // What the socket subscribes to and what is told meet at some point: from then on every piece arrives.
    await expect
      .poll(async () => {
        ui.served.say({ ...words, offset: 0, text: hostile });
        return speaking.count();
      })
      .toBe(1);
    ui.served.say({ ...words, offset: hostile.length, text: "your roof is insured." });
    await speaking.getByText("your roof is insured.").waitFor();
    expect(await speaking.locator(".entry-saying").innerText()).toBe(`${hostile}your roof is insured.`);
    expect(await speaking.locator("img").count()).toBe(0);
    expect(await speaking.innerText()).toContain("model.chat in letters");
    expect(await speaking.innerText()).toContain("writer");

    // What was lost on the way leaves a mark, and no wrong words.
    ui.served.say({ ...words, offset: 1000, text: "Yours," });
    await speaking.getByText("Yours,").waitFor();
    expect(await speaking.locator(".entry-saying").innerText()).toBe("…Yours,");

    run.read(start, { text: "The whole letter." }, 20);
    ui.served.notify(written);
    await ui.rows().filter({ hasText: "The whole letter." }).waitFor();
    await expect.poll(() => speaking.count()).toBe(0);
    expect(await ui.rows().count()).toBe(2);
    // Words that come after the record are late.
    ui.served.say({ ...words, offset: 1006, text: " late" });
    ui.served.say({ ...words, effect: "another", offset: 0, text: "The next call." });
    await speaking.getByText("The next call.").waitFor();
    expect(await speaking.count()).toBe(1);
  });
});
