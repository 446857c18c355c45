import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signalbox, type CliResult } from "../support/cli.ts";
import type { Caller } from "../support/console.ts";
import config from "../support/doubting-project.ts";
import type { HttpAnswer } from "../support/http.ts";
import { startPlatformConsole, type PlatformConsole } from "../support/platform-console.ts";
import { startTestPlatform, type TestPlatform } from "../support/platform.ts";

const CONFIG = fileURLToPath(new URL("../support/doubting-project.ts", import.meta.url));
/** What the tool never returns, and what it does. */
const SLIP = { kee: "L-77" };
const RESULT = { key: "L-77" };

let platform: TestPlatform;
let served: PlatformConsole;
let olga: Caller;
let vera: Caller;

beforeAll(async () => {
  platform = await startTestPlatform();
  served = await startPlatformConsole(platform, config);
  olga = await served.caller("olga", ["operator"]);
  vera = await served.caller("vera", ["viewer"]);
  await platform.worker(config);
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await platform[Symbol.asyncDispose]();
});

/** A run whose payment is in doubt. */
async function inDoubt(id: string): Promise<{ readonly run: string; readonly effect: string }> {
  const run = await platform.start(config, "bank", { id });
  const doubt = (await platform.reach(run, "parked")).findLast(({ type }) => type === "effect_doubted");
  if (doubt?.type !== "effect_doubted") throw new Error("Nothing is in doubt.");
  return { run, effect: doubt.data.effect };
}

describe("a call in doubt by the command line", () => {
  const as = ({ token }: Caller, ...args: string[]): Promise<CliResult> =>
    signalbox(["--config", CONFIG, "doubts", ...args], {
      env: { DATABASE_URL: platform.databaseUrl, NATS_URL: platform.nats.url, SIGNALBOX_TOKEN: token },
    });

  test("is seen by a viewer, and settled by an operator with a result that the tool could have given", async () => {
    const { run, effect } = await inDoubt("cli");
    const { stdout } = await as(vera, "ls");
    expect(stdout).toContain(`run     ${run}`);
    expect(stdout).toContain(`effect  ${effect}`);
    const settle = (by: Caller, result: unknown): Promise<CliResult> =>
      as(by, "resolve", run, effect, "--reason", "The bank says so.", "--happened", JSON.stringify(result));
    expect((await settle(vera, RESULT)).stderr).toContain("[FORBIDDEN]");
    const slip = await settle(olga, SLIP);
    expect([slip.code, slip.stdout]).toEqual([1, ""]);
    expect(slip.stderr).toMatch(/bank\.pay never returns such a result: key: .* \[INVALID_RESULT\]/);
    expect(await settle(olga, RESULT)).toMatchObject({ code: 0, stdout: "Settled: happened.\n" });
    expect((await platform.reach(run, "finished")).at(-1)?.data).toMatchObject({ output: RESULT });
    expect((await settle(olga, RESULT)).stderr).toContain("[ALREADY_DECIDED]");
  });
});

describe("a call in doubt by HTTP", () => {
  test("is seen by a viewer, and settled by an operator with a result that the tool could have given", async () => {
    const { run, effect } = await inDoubt("http");
    expect((await vera.get("/api/doubts")).json()).toMatchObject({ doubts: [{ run, effect, tool: "bank.pay" }] });
    const settle = (by: Caller, result: unknown): Promise<HttpAnswer> =>
      by.post("/api/doubts/resolve", { run, effect, resolution: "happened", reason: "The bank says so.", result });
    expect((await settle(vera, RESULT)).status).toBe(403);
    const slip = await settle(olga, SLIP);
    expect(slip.status).toBe(400);
    expect(slip.json()).toMatchObject({ error: { code: "INVALID_RESULT" } });
    expect((await settle(olga, RESULT)).status).toBe(204);
    expect((await platform.reach(run, "finished")).at(-1)?.data).toMatchObject({ output: RESULT });
    expect((await settle(olga, RESULT)).json()).toMatchObject({ error: { code: "ALREADY_DECIDED" } });
  });
});
