import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import { afterEach, expect, test } from "vitest";
import { openConnection } from "../../runtime/journal/database.ts";
import { defaultCacheFolder } from "../../runtime/stack/cache-folder.ts";
import { FILES } from "../../runtime/stack/data-folder.ts";
import { exists } from "../../runtime/stack/files.ts";
import { doctor, findRunningStack, removeDataFolder, startStack, type Stack } from "../../runtime/stack/index.ts";
import { checkNats } from "../../runtime/stack/named-nats.ts";
import { identify } from "../../runtime/stack/process-identity.ts";
import { canEnter } from "../../runtime/stack/server-user.ts";
import { firstLine, spawnSupport, until, untilGone } from "../support/processes.ts";

const root = process.getuid?.() === 0;
const NOBODY = { name: "nobody", uid: 65_534, gid: 65_534 };
const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** With a space in its path, as many have. */
async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "signalbox stack-"));
  // As a folder in a project is: others may pass through.
  await chmod(folder, 0o755);
  cleanups.push(async () => {
    await removeDataFolder(folder).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

async function start(dataDir: string): Promise<Stack> {
  const stack = await startStack({ dataDir, open: openConnection });
  cleanups.push(() => stack.close());
  return stack;
}

async function sql<Row extends object>(url: string, text: string): Promise<Row[]> {
  const connection = await openConnection({ url });
  try {
    return await connection.query<Row>(text);
  } finally {
    await connection.end();
  }
}

function pidsOf(stack: Pick<Stack, "describe">): number[] {
  return stack.describe().flatMap(({ pid }) => pid ?? []);
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

interface Ready {
  readonly databaseUrl: string;
  readonly uid: number;
  readonly pids: number[];
}

test("a private stack - works, keeps its data over a restart, and leaves nothing running", async () => {
  const dataDir = await dataFolder();
  const first = await start(dataDir);
  expect(first.describe().map(({ name, kind, where }) => [name, kind, where.split(":")[0]])).toEqual([
    ["postgres", "private", "127.0.0.1"],
    ["nats", "private", "127.0.0.1"],
  ]);
  await sql(first.databaseUrl, "create extension vector; create table kept as select '[1,2]'::vector as v");
  const pids = pidsOf(first);
  expect(pids).toHaveLength(2);
  await first.close();
  expect(pids.map(identify)).toEqual([undefined, undefined]);
  expect(await exists(join(dataDir, FILES.lock))).toBe(false);
  const second = await start(dataDir);
  expect(await sql(second.databaseUrl, "select v::text from kept")).toEqual([{ v: "[1,2]" }]);
  expect(
    await sql(
      second.databaseUrl,
      "select current_setting('jit') as jit, current_setting('fsync') as fsync, lower('Ä') as low",
    ),
  ).toEqual([{ jit: "off", fsync: "on", low: "ä" }]);
});

test("a private stack - lets nobody in without a password, and keeps passwords from other users", async () => {
  const dataDir = await dataFolder();
  const stack = await start(dataDir);
  const url = new URL(stack.databaseUrl);
  url.password = "guess";
  await expect(sql(url.href, "select 1")).rejects.toMatchObject({ cause: { code: "28P01" } });
  await expect(checkNats(stack.nats.worker.servers.join(","))).rejects.toMatchObject({ code: "NATS_REFUSED" });
  for (const file of [FILES.secrets, FILES.running, FILES.keeper, join(FILES.servers, "nats.conf")]) {
    expect((await stat(join(dataDir, file))).mode & 0o077, file).toBe(0);
  }
  expect((await stat(join(dataDir, FILES.servers))).mode & 0o077).toBe(0);
});

test("the private NATS - a console may listen and wake workers, and send nothing else", async () => {
  const { nats } = await start(await dataFolder());
  const { servers, user = "", password = "", inboxPrefix = "" } = nats.console;
  const connection = await connect({ servers: [...servers], user, pass: password, inboxPrefix });
  const refused: unknown[] = [];
  void (async () => {
    for await (const status of connection.status()) refused.push(status.permissionContext);
  })();
  try {
    connection.publish("work.intake");
    await connection.flush();
    connection.publish("mail.intake");
    connection.subscribe("mail.>", { callback: () => undefined });
    connection.subscribe("_INBOX.>", { callback: () => undefined });
    await until(() => refused.length >= 3);
    expect(refused).toEqual([
      expect.objectContaining({ operation: "publish", subject: "mail.intake" }),
      expect.objectContaining({ operation: "subscription", subject: "mail.>" }),
      expect.objectContaining({ operation: "subscription", subject: "_INBOX.>" }),
    ]);
  } finally {
    await connection.close();
  }
});

test("a second start on the same data folder - is refused with the first one's process, and can join it instead", async () => {
  const dataDir = await dataFolder();
  expect(await findRunningStack(dataDir)).toBeUndefined();
  const stack = await start(dataDir);
  await expect(start(dataDir)).rejects.toMatchObject({ code: "DATA_FOLDER_IN_USE", details: { pid: process.pid } });
  await expect(removeDataFolder(dataDir)).rejects.toMatchObject({ code: "DATA_FOLDER_IN_USE" });
  const running = await findRunningStack(dataDir);
  expect(running?.databaseUrl).toBe(stack.databaseUrl);
  expect(running?.nats).toEqual(stack.nats);
  expect(running?.describe()).toEqual(stack.describe());
  await stack.close();
  expect(await findRunningStack(dataDir)).toBeUndefined();
});

test("two starts at once on a new data folder - one runs, the other is refused", async () => {
  const dataDir = await dataFolder();
  const results = await Promise.allSettled([start(dataDir), start(dataDir)]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const refused = results.find((result) => result.status === "rejected");
  expect(refused?.reason).toMatchObject({ code: "DATA_FOLDER_IN_USE" });
});

test("a stack whose process is killed with SIGKILL - its servers stop, and the next start goes on", async () => {
  const dataDir = await dataFolder();
  const child = spawnSupport("stack-process.ts", [dataDir]);
  const { databaseUrl, pids } = JSON.parse(await firstLine(child)) as Ready;
  await sql(databaseUrl, "create table kept (n int)");
  expect(pids.map((pid) => identify(pid)?.pid)).toEqual(pids);
  await kill(child);
  // At once, while the servers are still stopping.
  const next = await start(dataDir);
  await untilGone(pids);
  expect(await sql(next.databaseUrl, "select * from kept")).toEqual([]);
});

test("Ctrl-C in a terminal - ends the process and its servers", async () => {
  const dataDir = await dataFolder();
  const child = spawnSupport("stack-process.ts", [dataDir]);
  const { pids } = JSON.parse(await firstLine(child)) as Ready;
  // A terminal sends it to the whole process group.
  process.kill(-(child.pid ?? 0), "SIGINT");
  await untilGone(pids);
  await until(async () => !(await exists(join(dataDir, FILES.keeper))));
  expect(await readFile(join(dataDir, FILES.servers, "postgres.log"), "utf8")).toContain(
    "database system is shut down",
  );
});

test("a keeper that is killed with its parent - the next start stops the servers that were left", async () => {
  const dataDir = await dataFolder();
  const child = spawnSupport("stack-process.ts", [dataDir]);
  const { pids } = JSON.parse(await firstLine(child)) as Ready;
  const { keeper } = JSON.parse(await readFile(join(dataDir, FILES.keeper), "utf8")) as { keeper: { pid: number } };
  process.kill(keeper.pid, "SIGKILL");
  await kill(child);
  await untilGone([keeper.pid]);
  expect(pids.map((pid) => identify(pid)?.pid)).toEqual(pids);
  const next = await start(dataDir);
  expect(pids.map(identify)).toEqual([undefined, undefined]);
  expect(await sql(next.databaseUrl, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("a keeper that is killed alone - its servers stop with the stack", async () => {
  const dataDir = await dataFolder();
  const lost: string[] = [];
  const stack = await startStack({ dataDir, open: openConnection, onLost: ({ code }) => lost.push(code) });
  const { keeper } = JSON.parse(await readFile(join(dataDir, FILES.keeper), "utf8")) as { keeper: { pid: number } };
  process.kill(keeper.pid, "SIGKILL");
  await until(() => lost.length > 0);
  expect(lost).toEqual(["SERVER_FAILED"]);
  await stack.close();
  expect(pidsOf(stack).map(identify)).toEqual([undefined, undefined]);
});

test("a private server that is killed - comes back at the same place", async () => {
  const stack = await start(await dataFolder());
  for (const pid of pidsOf(stack)) process.kill(pid, "SIGKILL");
  await untilGone(pidsOf(stack));
  await until(() =>
    sql(stack.databaseUrl, "select 1").then(
      () => true,
      () => false,
    ),
  );
  const { servers, user, password } = stack.nats.worker;
  const url = new URL(servers[0] ?? "");
  url.username = user ?? "";
  url.password = password ?? "";
  await until(() =>
    checkNats(url.href).then(
      () => true,
      () => false,
    ),
  );
});

test("a first start that was cut short - is done again", async () => {
  const dataDir = await dataFolder();
  const draft = join(dataDir, FILES.servers, "postgres.new");
  await mkdir(draft, { recursive: true });
  await writeFile(join(draft, "PG_VERSION"), "17\n");
  const stack = await start(dataDir);
  expect(await sql(stack.databaseUrl, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("data of another major version - is named, and left alone", async () => {
  const dataDir = await dataFolder();
  await mkdir(join(dataDir, FILES.servers, "postgres"), { recursive: true });
  await writeFile(join(dataDir, FILES.servers, "postgres", "PG_VERSION"), "9\n");
  await expect(start(dataDir)).rejects.toMatchObject({ code: "DATA_FOLDER_VERSION", details: { written: "9" } });
  const { checks } = await doctor({ dataDir, open: openConnection });
  expect(checks).toContainEqual(expect.objectContaining({ name: "postgres data", status: "fail" }));
  expect(await readFile(join(dataDir, FILES.servers, "postgres", "PG_VERSION"), "utf8")).toBe("9\n");
});

test("a data folder that is a file - is refused", async () => {
  const file = join(await dataFolder(), "file");
  await writeFile(file, "");
  await expect(start(file)).rejects.toMatchObject({ code: "FOLDER_UNUSABLE" });
});

test("doctor - names what would start, and what runs", async () => {
  const dataDir = await dataFolder();
  const before = await doctor({ dataDir, open: openConnection });
  expect(before.ok, JSON.stringify(before.checks)).toBe(true);
  expect(before.checks.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["node", "system", "data folder", "postgres", "nats", "cache folder"]),
  );
  await start(dataDir);
  const { checks } = await doctor({ dataDir, open: openConnection });
  expect(checks.find(({ name }) => name === "data folder")?.found).toContain(
    `in use by the process ${String(process.pid)}`,
  );
  expect(checks.map(({ name }) => name)).toEqual(expect.arrayContaining(["running postgres", "running nats"]));
  expect(JSON.stringify(checks)).not.toContain("postgres://");
});

test.runIf(root)(
  "as root in a private folder - the data is kept where the servers can go, and nothing is opened up",
  async () => {
    const home = await dataFolder();
    await chmod(home, 0o700);
    const dataDir = join(home, "project", ".signalbox");
    cleanups.push(() => removeDataFolder(dataDir));
    const stack = await start(dataDir);
    const elsewhere = await readFile(join(dataDir, FILES.pointer), "utf8");
    expect(stack.describe()[0]?.dataFolder).toBe(join(elsewhere, "postgres"));
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    await sql(stack.databaseUrl, "create table kept (n int)");
    await stack.close();
    const again = await start(dataDir);
    expect(await sql(again.databaseUrl, "select * from kept")).toEqual([]);
    await again.close();
    await removeDataFolder(dataDir);
    expect(await exists(elsewhere)).toBe(false);
  },
);

test.runIf(root)("as an ordinary user - works in folders of one's own", async (context) => {
  const repository = new URL("../../", import.meta.url).pathname;
  context.skip(!(await canEnter(repository, NOBODY)), "the repository is in a folder that other users cannot enter");
  const dataDir = await dataFolder();
  await chown(dataDir, NOBODY.uid, NOBODY.gid);
  const env = { PATH: process.env["PATH"], HOME: dataDir, TMPDIR: dataDir };
  const child = spawnSupport("stack-process.ts", [dataDir, defaultCacheFolder(process.env)], { ...NOBODY, env });
  const { uid, databaseUrl, pids } = JSON.parse(await firstLine(child)) as Ready;
  expect(uid).toBe(NOBODY.uid);
  expect(await sql(databaseUrl, "select 1 as one")).toEqual([{ one: 1 }]);
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
  await untilGone(pids);
});
