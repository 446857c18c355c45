import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { claimsAgents, claimsPools, claimsSamples, openLedger, type Ledger } from "../../agents/claims/index.ts";
import { verify } from "../../runtime/audit/verify.ts";
import type { JsonValue } from "../../runtime/core/json.ts";
import { sessionView } from "../../runtime/replay/sessions.ts";
import { startTestPlatform, type TestPlatform } from "../support/platform.ts";

const CLEAN = ["CLM-2026-0001", "CLM-2026-0002", "CLM-2026-0004"];
/** Held because memory knows a camera that was paid before; without memory there is nothing to hold it. */
const CAMERA = "CLM-2026-0086";

let folder: string;
let ledger: Ledger;
let platform: TestPlatform;
const config = defineConfig({ agents: claimsAgents, pools: claimsPools });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox-claims-"));
  process.env["SIGNALBOX_LEDGER"] = join(folder, "ledger.jsonl");
  process.env["SIGNALBOX_OUTBOX"] = join(folder, "outbox");
  ledger = openLedger({ path: join(folder, "ledger.jsonl") });
  platform = await startTestPlatform();
});
afterAll(async () => {
  await platform[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function claim(key: string): Promise<JsonValue> {
  const [, feed] = await claimsSamples();
  const found = feed.runs.find((run) => run.key === key);
  if (!found) throw new Error(`There is no claim ${key}.`);
  return found.input;
}

function outcome(output: unknown): unknown {
  return (output as { output: { outcome: unknown } }).output.outcome;
}

describe("the claims team", () => {
  test("without memory the camera is paid, and with it a person is asked", async () => {
    await using _worker = await platform.worker(config);
    const without = await platform.start(config, "intake", await claim(CAMERA), "without-memory");
    const ended = await platform.reach(without, "finished");
    expect(outcome(ended.at(-1)?.data)).toMatchObject({ status: "paid", signals: [] });

    const [archive] = await claimsSamples();
    const remembered = await platform.start(config, archive.agent, archive.runs[0]?.input, "archive");
    await platform.reach(remembered, "finished");
    const remembering = await platform.start(config, "intake", await claim(CAMERA), "with-memory");
    await expect.poll(() => platform.pendingOf(remembering), { timeout: 20_000 }).toHaveLength(1);
    const [held] = await platform.pendingOf(remembering);
    expect(JSON.parse(held?.input ?? "{}")).toMatchObject({ claimId: CAMERA, fraudSignals: ["similar_past_claim"] });
  });

  test("a payout - asks, is answered, and links every run to the event that caused it", async () => {
    await using _worker = await platform.worker(config);
    const run = await platform.start(config, "intake", await claim("CLM-2026-0001"), "linked");
    await platform.reach(run, "finished");
    const view = await sessionView(platform, run);
    expect(view.runs.map((one) => one.agent).sort()).toEqual(["assessor", "fraud", "intake", "payout"]);
    for (const child of view.runs.filter((one) => one.parent !== null)) {
      const started = view.events.find((event) => event.run === child.run && event.seq === 1);
      const cause = started?.type === "run_started" ? started.data.cause : undefined;
      const asked = view.events.find((event) => event.run === cause?.run && event.seq === cause.seq);
      expect(asked).toMatchObject({ type: "message_sent", hash: cause?.hash, data: { to: child.agent } });
      const last = view.events.findLast((event) => event.run === child.run);
      const answered = view.events.find(
        (event) => event.type === "effect_finished" && event.data.child?.run === child.run,
      );
      expect(answered?.type === "effect_finished" && answered.data.child).toEqual({
        run: child.run,
        seq: last?.seq,
        hash: last?.hash,
      });
    }
  });

  test("with rules.cedar removed - nothing is paid", async () => {
    const before = (await ledger.payments()).length;
    const ruleless = defineConfig({
      agents: claimsAgents.map((agent) => ({ ...agent, rules: undefined })),
      pools: claimsPools,
    });
    await using _worker = await platform.worker(ruleless);
    for (const key of CLEAN) {
      const run = await platform.start(ruleless, "intake", await claim(key), `ruleless-${key}`);
      const ended = await platform.reach(run, "finished");
      expect(outcome(ended.at(-1)?.data)).toMatchObject({ status: "denied", paidMinor: 0 });
    }
    expect(await ledger.payments()).toHaveLength(before);
  });

  test("one changed byte in one stored event - is named by the audit", async () => {
    expect(await verify(platform.database, null)).toMatchObject({ verified: true, firstBad: null });
    const [event] = await platform.database.query<{ run_id: string; seq: number }>(
      "select run_id, seq from events where type = 'effect_recorded' order by run_id, seq limit 1",
    );
    if (!event) throw new Error("Nothing is recorded.");
    const change = (from: string, to: string): Promise<object[]> =>
      platform.database.query(
        "update events set data = overlay(data placing $3 from strpos(data, $4)) where run_id = $1 and seq = $2",
        [event.run_id, event.seq, to, from],
      );
    await change('"class"', '"clasS"');
    const report = await verify(platform.database, null);
    expect(report.firstBad).toMatchObject({ run: event.run_id, seq: event.seq });
    await change('"clasS"', '"class"');
    expect(await verify(platform.database, null)).toMatchObject({ verified: true });

    // The runs that an event caused name its hash, and some of them come first by their ids: chance decides which.
    const causeOfAnEarlier = (): Promise<{ run: string; seq: number }[]> =>
      platform.database.query(
        `select c.run, c.seq from (
           select run_id, (data::jsonb #>> '{cause,run}')::uuid as run, (data::jsonb #>> '{cause,seq}')::int as seq
           from events where type = 'run_started' and data like '%"cause"%') c
         where c.run_id < c.run limit 1`,
      );
    let [cause] = await causeOfAnEarlier();
    await using _worker = await platform.worker(config);
    for (let n = 0; !cause; n++) {
      await platform.reach(
        await platform.start(config, "intake", await claim("CLM-2026-0001"), `more-${String(n)}`),
        "finished",
      );
      [cause] = await causeOfAnEarlier();
    }
    const { run, seq } = cause;
    const flip = (): Promise<object[]> =>
      platform.database.query(
        "update events set hash = set_bit(hash, 0, 1 - get_bit(hash, 0)) where run_id = $1 and seq = $2",
        [run, seq],
      );
    await flip();
    expect((await verify(platform.database, null)).firstBad).toMatchObject({ run, seq });
    await flip();
    expect(await verify(platform.database, null)).toMatchObject({ verified: true });
    await expect(verify(platform.database, randomUUID())).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});
