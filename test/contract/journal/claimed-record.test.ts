import { describe, expect, test } from "vitest";
import type { Claim, NewRun } from "../../../runtime/core/journal.ts";
import { claimant, newRun, step } from "../../support/journal.ts";
import { useJournals } from "../../support/journals.ts";

const { one } = useJournals();

/** A run that is ready, and then claimed. */
async function started(
  changes: Partial<NewRun> = {},
  before: (run: string) => Promise<unknown> = () => Promise.resolve(),
): Promise<Claim> {
  const run = newRun(changes);
  await one.journal.create(run);
  await before(run.run);
  return claimAgain(run.run);
}

async function claimAgain(run: string): Promise<Claim> {
  const [claim] = await one.journal.claim([run], claimant("w1"));
  if (!claim) throw new Error("The run was not claimed.");
  return claim;
}

const cancel = (run: string) => one.journal.deliver(run, { id: `cancel:${run}`, kind: "cancel", data: {} });

describe("a claim", () => {
  test("of a run that has just been started - brings its record with it", async () => {
    const claim = await started({ input: { text: "é\u0000\u2028", n: 1.5 } });
    expect(claim.events).toEqual(await one.journal.read(claim.head.run));
    expect(claim.events?.at(-1)?.hash).toBe(claim.head.hash);
  });

  test("of one whose input lies apart, or that has gone on - does not", async () => {
    expect((await started({ input: { big: "x".repeat(300_000) } })).events).toBeUndefined();
    const { head } = await started();
    await one.journal.append(head, [step(1)], { status: "ready" }).durable;
    expect((await claimAgain(head.run)).events).toBeUndefined();
  });

  test("says whether something is in the run's mailbox, and never that nothing is where something came", async () => {
    expect((await started()).emptyUpTo).toBe(0);
    const cancelled = await started({}, cancel);
    expect(cancelled.emptyUpTo).toBeUndefined();
    const { upTo } = await one.journal.mailbox(cancelled.head.run);
    await one.journal.append(cancelled.head, [step(1)], { status: "ready", mailboxTaken: upTo }).durable;
    expect((await claimAgain(cancelled.head.run)).emptyUpTo).toBe(upTo);
  });
});
