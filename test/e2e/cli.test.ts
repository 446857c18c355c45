import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { claimsAgents, claimsPools, claimsSamples } from "../../agents/claims/index.ts";
import { signalbox, type CliResult } from "../support/cli.ts";
import { startTestPlatform, type TestPlatform } from "../support/platform.ts";
import { spawnSupport } from "../support/processes.ts";

let folder: string;
let platform: TestPlatform;
let servers: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox-cli-"));
  await writeFile(join(folder, "package.json"), '{"type": "module"}');
  platform = await startTestPlatform();
  servers = { DATABASE_URL: platform.databaseUrl, NATS_URL: platform.nats.url };
});
afterAll(async () => {
  await platform[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A user's mistake: a code, what happened, what to do; never a stack trace. */
function expectMistake(result: CliResult, code: string, ...says: readonly string[]): void {
  expect(result.stderr).toContain(`[${code}]`);
  for (const words of says) expect(result.stderr).toContain(words);
  expect(result.stderr).not.toMatch(/\n\s+at /);
  expect(result.code).toBe(1);
}

describe("bad input", () => {
  test("no configuration - says where it looked and what to make", async () => {
    expectMistake(await signalbox(["rules", "check"], { cwd: folder }), "CONFIG_NOT_FOUND", folder, "defineConfig");
  });

  test("a configuration with a type error - says what is wrong", async () => {
    const path = join(folder, "wrong.config.ts");
    await writeFile(path, 'export default { agents: "all of them" };');
    expectMistake(await signalbox(["--config", path, "rules", "check"]), "CONFIG_INVALID", "wrong.config.ts");
    const surface = fileURLToPath(new URL("../../dist/runtime/index.js", import.meta.url));
    await writeFile(
      path,
      `import { defineConfig } from ${JSON.stringify(surface)};\nexport default defineConfig({ agents: [{ name: "x" }] as never });`,
    );
    expectMistake(
      await signalbox(["--config", path, "rules", "check"]),
      "CONFIG_INVALID",
      "agents.0 is not made with defineAgent",
    );
    await writeFile(path, "export default {");
    expectMistake(await signalbox(["--config", path, "rules", "check"]), "CONFIG_INVALID", "could not be loaded");
  });

  test("a folder of CommonJS - is told how to say that it holds ES modules", async () => {
    const commonJs = join(folder, "commonjs");
    await mkdir(commonJs);
    await writeFile(join(commonJs, "package.json"), '{"name": "mine"}');
    const path = join(commonJs, "signalbox.config.ts");
    await writeFile(path, "import.meta.resolve('signalbox'); export default {};");
    expectMistake(await signalbox(["rules", "check"], { cwd: commonJs }), "CONFIG_INVALID", "npm pkg set type=module");
  });

  test("an unknown agent - is answered with the known ones", async () => {
    const result = await signalbox(["run", "nobody", "--input", "agents/claims/data/sample-claim.json"], {
      env: servers,
    });
    expectMistake(result, "NOT_FOUND", 'There is no agent "nobody"', "intake");
  });

  test("an input that does not fit, is not JSON, or is not there - starts nothing", async () => {
    const fit = await signalbox(["run", "assessor", "--input", "-"], { env: servers, input: '{"claim": 5}' });
    expectMistake(fit, "INVALID_INPUT", "claim", "No run was started");
    expectMistake(
      await signalbox(["run", "intake", "--input", "-"], { env: servers, input: "{" }),
      "INVALID_INPUT",
      "not JSON",
    );
    expectMistake(
      await signalbox(["run", "intake", "--input", "none.json"], { env: servers }),
      "INVALID_INPUT",
      "There is no file none.json",
    );
    const { stdout } = await signalbox(["--json", "sessions", "ls"], { env: servers });
    expect(JSON.parse(stdout)).toEqual({ sessions: [], next: null });
  });

  test("a wrong DATABASE_URL and nothing running - say so", async () => {
    const env = { ...servers, DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" };
    expectMistake(await signalbox(["sessions", "ls"], { env }), "POSTGRES_UNREACHABLE", "127.0.0.1:1");
    expectMistake(
      await signalbox(["--data", join(folder, "none"), "sessions", "ls"]),
      "NOT_RUNNING",
      "npx signalbox dev",
    );
  });

  test("a port in use - is named, and the servers that were started stop again", async () => {
    const taken = await listen();
    const { port } = taken.address() as AddressInfo;
    const result = await signalbox(["--data", join(folder, "port"), "dev", "--port", String(port), "--workers", "1"], {
      env: servers,
    });
    taken.close();
    expectMistake(result, "PORT_IN_USE", String(port));
  });

  test("--fresh with a database of one's own - throws nothing away, and says why", async () => {
    const result = await signalbox(["dev", "--fresh"], { env: servers });
    expectMistake(result, "INVALID_INPUT", "DATABASE_URL", "--fresh");
  });

  test("a start key that comes again - gives the same session, and is refused with another input", async () => {
    const run = (id: string, ...options: string[]) =>
      signalbox([...options, "run", "intake", "--input", "-", "--key", "once"], {
        env: servers,
        input: JSON.stringify({ record: { claimId: id } }),
      });
    const first = await run("A", "--json");
    const { session } = JSON.parse(first.stdout) as { session: string };
    expect((await run("A")).stdout).toBe(`This key had started the session ${session} before.\n`);
    expectMistake(await run("B"), "START_KEY_USED", session, "Nothing was started");
  });

  test("a wrong call - shows how to call, with exit code 2", async () => {
    expect(await signalbox(["sessions", "ls", "--status", "lost"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("finished") as string,
    });
    expect((await signalbox(["frobnicate"])).code).toBe(2);
    for (const call of [["replay"], ["sessions", "show"], ["approvals", "show"], ["audit", "verify"]]) {
      const { code, stderr } = await signalbox([...call, "nonsense"]);
      expect({ code, stderr }).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("is not the id of") as string,
      });
    }
  });
});

describe("a worker", () => {
  const config = fileURLToPath(new URL("../support/stray-project.ts", import.meta.url));

  test("that is not there - is missed by who follows a run of its agent", async () => {
    const env = { ...process.env, ...servers };
    const input = join(folder, "stray.json");
    await writeFile(input, "{}");
    const args = ["--config", config, "run", "stray", "--input", input, "--watch"];
    const following = spawnSupport("../../dist/runtime/cli/main.js", args, { env, stderr: "pipe" });
    let said = "";
    following.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    try {
      await expect
        .poll(() => said, { timeout: 20_000 })
        .toContain("The run of stray does not go on: no worker has its agent.");
      expect(following.exitCode).toBeNull();
    } finally {
      following.kill("SIGKILL");
    }
  });

  test("whose tool leaves a rejected promise unwatched - lives on and finishes the run", async () => {
    const env = { ...process.env, ...servers, LOG_LEVEL: "silent" };
    const worker = spawnSupport("../../dist/runtime/cli/main.js", ["worker", "--config", config], { env });
    try {
      const started = await signalbox(["--json", "--config", config, "run", "stray", "--input", "-", "--watch"], {
        env: servers,
        input: "{}",
      });
      expect(JSON.parse(started.stdout)).toMatchObject({ status: "finished" });
      expect(worker.exitCode).toBeNull();
    } finally {
      worker.kill("SIGKILL");
    }
  });
});

describe("an operator at the terminal", () => {
  test("sees what waits, must be somebody, and approves; the run goes on", async () => {
    const config = defineConfig({ agents: claimsAgents, pools: claimsPools });
    process.env["SIGNALBOX_LEDGER"] = join(folder, "ledger.jsonl");
    process.env["SIGNALBOX_OUTBOX"] = join(folder, "outbox");
    await using _worker = await platform.worker(config);
    const [, feed] = await claimsSamples();
    const claim = feed.runs.find((run) => run.key === "CLM-2026-0051");
    const run = await platform.start(config, "intake", claim?.input ?? null, "at-the-terminal");
    await expect.poll(() => platform.pendingOf(run), { timeout: 20_000 }).toHaveLength(1);
    const [held] = await platform.pendingOf(run);
    const approval = held?.approval ?? "";

    const list = await signalbox(["approvals", "ls"], { env: servers });
    expect(list.stdout).toContain(approval);
    const show = await signalbox(["approvals", "show", approval], { env: servers });
    expect(show.stdout).toContain("CLM-2026-0051");
    expectMistake(
      await signalbox(["approvals", "approve", approval], { env: servers }),
      "NOT_SIGNED_IN",
      "SIGNALBOX_TOKEN",
    );

    const added = ["users", "add", "olga", "--role", "operator", "--role", "viewer"];
    expect((await signalbox([...added, "--json"], { env: servers })).stdout).toMatch(
      /operator[^]*viewer|viewer[^]*operator/,
    );
    const made = await signalbox(["--json", "users", "token", "olga", "--name", "cli"], { env: servers });
    const { secret } = JSON.parse(made.stdout) as { secret: string };
    const olga = { ...servers, SIGNALBOX_TOKEN: secret };
    expectMistake(
      await signalbox(["approvals", "approve", approval], { env: olga }),
      "NOT_IN_POOL",
      "claims-adjusters",
    );
    await signalbox(["users", "pool", "olga", "claims-adjusters"], { env: servers });
    const approved = await signalbox(
      ["--json", "approvals", "approve", approval, "--reason", "Looked at the photos."],
      { env: olga },
    );
    expect(JSON.parse(approved.stdout)).toMatchObject({
      status: "approved",
      decisions: [{ by: "olga", decision: "approve" }],
    });
    await platform.reach(run, "finished");
    expectMistake(await signalbox(["approvals", "approve", approval], { env: olga }), "ALREADY_DECIDED");

    const replay = await signalbox(["replay", run], { env: servers });
    expect(replay.stdout).toContain("olga: approve (Looked at the photos.)");
    const verified = await signalbox(["--json", "audit", "verify", run], { env: servers });
    expect(JSON.parse(verified.stdout)).toMatchObject({ verified: true, firstBad: null });
  });
});

function listen(): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      resolve(server);
    }),
  );
}
