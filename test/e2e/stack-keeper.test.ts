import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ServerFailedError } from "../../runtime/stack/errors.ts";
import { Keeper } from "../../runtime/stack/keeper-client.ts";
import type { KeptProgram } from "../../runtime/stack/keeper-protocol.ts";
import { identify } from "../../runtime/stack/process-identity.ts";
import { until, untilGone } from "../support/processes.ts";

let folder: string;
let lost: ServerFailedError[];
let keeper: Keeper;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox keeper-"));
  lost = [];
  keeper = new Keeper({
    stateFile: join(folder, "keeper.json"),
    filesToRemove: [],
    logFile: join(folder, "keeper.log"),
    onLost: (error) => lost.push(error),
  });
});

afterEach(async () => {
  await keeper.close();
  await rm(folder, { recursive: true, force: true });
});

function program(name: string, change: Partial<KeptProgram> = {}): KeptProgram {
  return {
    name,
    command: "/bin/sleep",
    args: ["600"],
    env: {},
    cwd: folder,
    logFile: join(folder, `${name}.log`),
    stopSignal: "SIGTERM",
    ...change,
  };
}

async function keeperPid(): Promise<number> {
  const state = JSON.parse(await readFile(join(folder, "keeper.json"), "utf8")) as { keeper: { pid: number } };
  return state.keeper.pid;
}

test("a program whose log cannot be written - is not started, and the others run on", async () => {
  const first = await keeper.start(program("first"));
  const noLog = program("second", { logFile: join(folder, "absent", "second.log") });
  await expect(keeper.start(noLog)).rejects.toMatchObject({ code: "SERVER_FAILED" });
  const third = await keeper.start(program("third"));
  expect([first.pid, third.pid].map((pid) => identify(pid)?.pid)).toEqual([first.pid, third.pid]);
  expect(lost).toEqual([]);
  await keeper.close();
  await untilGone([first.pid, third.pid]);
});

test("a state file that cannot be written - ends neither the keeper nor its programs", async () => {
  const first = await keeper.start(program("first"));
  // A folder in the place of its draft: as good as a full disk, and for root as well.
  await mkdir(join(folder, "keeper.json.new"));
  const second = await keeper.start(program("second"));
  expect([first.pid, second.pid].map((pid) => identify(pid)?.pid)).toEqual([first.pid, second.pid]);
  expect(await readFile(join(folder, "keeper.log"), "utf8")).toContain("keeper.json.new");
  await keeper.close();
  await untilGone([first.pid, second.pid]);
});

test("a keeper that has ended - starts nothing more, and says so at once", async () => {
  const { pid } = await keeper.start(program("left"));
  process.kill(await keeperPid(), "SIGKILL");
  await until(() => lost.length > 0);
  await expect(keeper.start(program("next"))).rejects.toMatchObject({ code: "SERVER_FAILED" });
  process.kill(pid);
});

test("a guarded program that cannot be run any more - is told as lost", async () => {
  const command = join(folder, "server");
  await writeFile(command, "#!/bin/sh\nexec /bin/sleep 600\n");
  await chmod(command, 0o755);
  const { pid } = await keeper.start(program("server", { command }));
  keeper.guard("server");
  // As when somebody clears the cache folder.
  await rm(command);
  process.kill(pid, "SIGKILL");
  await until(() => lost.length > 0);
  expect(lost[0]).toMatchObject({ code: "SERVER_FAILED", details: { program: "server" } });
});
