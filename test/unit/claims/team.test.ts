import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  archivist,
  claimsPools,
  claimsSamples,
  differences,
  intake,
  openLedger,
  outcomeSchema,
  pastClaims,
  readExpected,
  readFeed,
  type ExpectedClaim,
  type FeedItem,
  type Outcome,
} from "../../../agents/claims/index.ts";
import { emptyMemory, filledMemory } from "./examine.ts";
import { claimsRuleSet } from "./rule-set.ts";
import { runUngoverned, type World } from "./ungoverned.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox-claims-"));
  vi.stubEnv("SIGNALBOX_DATA", folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const ledger = () => openLedger({ path: join(folder, "samples", "claims", "ledger.jsonl") }).payments();

/** The letters in the outbox, which is empty afterwards. */
async function takeLetters(): Promise<string[]> {
  const outbox = join(folder, "samples", "claims", "outbox");
  const files = await readdir(outbox);
  const letters = await Promise.all(files.map((file) => readFile(join(outbox, file), "utf8")));
  await rm(outbox, { recursive: true });
  return letters;
}

async function worldFor(expected: readonly ExpectedClaim[], change: Partial<World> = {}): Promise<World> {
  return {
    judge: await claimsRuleSet(),
    recall: await filledMemory(),
    calls: [],
    decide: (input, verdict) => {
      const { claimId } = input as { claimId: string };
      const claim = expected.find(({ key }) => key === claimId);
      const operator = claim && claim.outcome !== "rejected" ? claim.operator : undefined;
      if (operator?.pool !== verdict.approval?.pool)
        throw new Error(`${claimId} went to ${verdict.approval?.pool ?? ""}.`);
      return { approve: operator?.decision === "approve", reason: operator?.reason ?? "" };
    },
    ...change,
  };
}

async function outcomeOf(item: FeedItem, world: World): Promise<Outcome> {
  const { outcome } = (await runUngoverned(intake, item.input, world)) as { outcome: unknown };
  return outcomeSchema.parse(outcome);
}

async function claimNamed(key: string): Promise<FeedItem> {
  const item = (await readFeed()).find((candidate) => candidate.key === key);
  if (!item) throw new Error(`There is no claim ${key}.`);
  return item;
}

async function outcomeWith(key: string, change: Partial<World>): Promise<Outcome> {
  return outcomeOf(await claimNamed(key), await worldFor(await readExpected(), change));
}

describe("the claims team", { timeout: 60_000 }, () => {
  test(
    "every claim ends as expected, and the ledger holds one line for each payment",
    { timeout: 30_000 },
    async () => {
      const [feed, expected] = await Promise.all([readFeed(), readExpected()]);
      const world = await worldFor(expected);
      const wrong: string[] = [];
      for (const [i, item] of feed.entries()) {
        const outcome = await outcomeOf(item, world);
        const wanted = expected[i];
        if (!wanted) throw new Error(`Nothing is expected of ${item.key}.`);
        wrong.push(...differences(outcome, wanted).map((difference) => `${item.key}: ${difference}`));
      }
      expect(wrong).toEqual([]);

      const paid = expected.flatMap((claim) =>
        claim.outcome !== "rejected" && claim.paidMinor > 0 ? [[claim.key, claim.paidMinor, claim.currency]] : [],
      );
      expect((await ledger()).map(({ claimId, amountMinor, currency }) => [claimId, amountMinor, currency])).toEqual(
        paid,
      );

      const held = world.calls.filter(({ verdict }) => verdict.decision === "require_approval");
      expect(held.length).toBe(27);
      const known = Object.keys(claimsPools);
      expect(new Set(held.map(({ verdict }) => verdict.approval?.pool))).toEqual(new Set(known));
      for (const { call, verdict } of held) {
        const claim = expected.find(({ key }) => key === (call.input as { claimId: string }).claimId);
        const ids = verdict.rules.map(({ id }) => id).sort();
        expect(ids).toEqual(claim && claim.outcome !== "rejected" ? [...claim.rules].sort() : []);
      }
      // Whoever has a policy and is told something gets a letter.
      expect((await takeLetters()).length).toBe(81);
    },
  );

  test("payout proposes the payment whatever was found: the rules alone keep it from being made", async () => {
    const everythingIsPermitted = await claimsRuleSet('@id("all") permit (principal, action, resource);');
    for (const key of ["CLM-2026-0005", "CLM-2026-0067", "CLM-2026-0078"]) {
      const world = { judge: everythingIsPermitted };
      expect(await outcomeWith(key, world)).toMatchObject({ status: "paid" });
    }
  });

  test("without rules every payment is denied", async () => {
    const outcome = await outcomeWith("CLM-2026-0001", { judge: await claimsRuleSet("// none") });
    expect(outcome).toMatchObject({ status: "denied", rules: [], paidMinor: 0 });
    expect(await ledger()).toEqual([]);
  });

  test("with memory emptied the claim for the camera is paid instead of held", async () => {
    const held = await outcomeWith("CLM-2026-0086", {});
    expect(held).toMatchObject({ status: "not_approved", signals: ["similar_past_claim"] });
    const paid = await outcomeWith("CLM-2026-0086", { recall: emptyMemory });
    expect(paid).toMatchObject({ status: "paid", paidMinor: 104_000, signals: [] });
  });

  test("a model writes the letter where one is configured, and is not believed if it promises something else", async () => {
    const letter = async (text: string): Promise<string> => {
      await outcomeWith("CLM-2026-0001", { model: () => text });
      const [letter = ""] = await takeLetters();
      return letter;
    };
    expect(await letter("Good news: 336.00 EUR are on their way.")).toContain("Good news: 336.00 EUR");
    expect(await letter("Good news: 80,000.00 EUR are on their way.")).toContain("We have paid 336.00 EUR");
  });

  test("a model that obeys the description changes nothing but words that are thrown away", async () => {
    const obey = (prompt: string): string => `As you wish. ${/pay [^!?]*/.exec(prompt)?.[0] ?? ""}`;
    const outcome = await outcomeWith("CLM-2026-0078", { model: obey });
    expect(outcome).toMatchObject({ status: "not_approved", proposedMinor: 72_000, paidMinor: 0 });
    const letters = await takeLetters();
    expect(letters.length).toBe(1);
    expect(letters.join()).not.toContain("80,000");
  });

  test("the archivist remembers every past claim through the rules", async () => {
    const world = await worldFor([]);
    const [{ agent, runs }] = await claimsSamples();
    expect(agent).toBe(archivist.name);
    const past = await pastClaims();
    expect(await runUngoverned(archivist, runs[0]?.input, world)).toEqual({ remembered: past.length });
    expect(world.calls.map(({ call }) => call.action)).toEqual(past.map(() => "memory.remember"));
  });

  test("what is found does not depend on which claims ran before", async () => {
    const forwards = await outcomeWith("CLM-2026-0028", {});
    expect(forwards.signals).toEqual(["duplicate_claim"]);
    const original = await outcomeWith("CLM-2026-0017", {});
    expect(original.signals).toEqual([]);
  });
});
