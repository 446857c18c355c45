import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { OpenSqlConnection } from "../../runtime/core/stack.ts";
import { openConnection } from "../../runtime/journal/database.ts";
import { doctor, removeDataFolder, startStack } from "../../runtime/stack/index.ts";
import { checkNats } from "../../runtime/stack/named-nats.ts";
import { checkPostgres } from "../../runtime/stack/named-postgres.ts";
import { freePort } from "../../runtime/stack/probe.ts";
import { createEmptyDatabase } from "../support/database.ts";
import { startTestNats, testNatsUrl } from "../support/nats.ts";

interface Impostor extends AsyncDisposable {
  readonly where: string;
}

/** Listens and says one thing to everybody. */
async function impostor(greeting: string): Promise<Impostor> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.write(greeting);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    where: `127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A real server, seen through a driver that changes what the server says of itself. */
function saying(facts: { version: string; pgvector: string | null }): OpenSqlConnection {
  return async (options) => {
    const connection = await openConnection(options);
    return { query: <Row extends object>() => Promise.resolve([facts as unknown as Row]), end: () => connection.end() };
  };
}

async function refusalOf(check: Promise<unknown>): Promise<{ code: unknown; message: string }> {
  const error: unknown = await check.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error("The check was expected to fail.");
  return { code: (error as { code?: unknown }).code, message: error.message };
}

test("DATABASE_URL - a fit server says its versions, and where it is without the password", async () => {
  await using database = await createEmptyDatabase();
  const facts = await checkPostgres(database.url, openConnection);
  expect(facts.version).toMatch(/^\d+\.\d+$/);
  expect(facts.pgvector).toMatch(/^\d+\.\d+/);
  expect(facts.where).toBe(new URL(database.url).host + new URL(database.url).pathname);
});

test("DATABASE_URL - a text that is no such URL is refused, and not repeated", async () => {
  for (const url of ["mysql://me:hunter2@host/db", "me:hunter2@host", "postgres//hunter2", "hunter2"]) {
    const { code, message } = await refusalOf(checkPostgres(url, openConnection));
    expect(code).toBe("SERVER_URL_INVALID");
    expect(message).not.toContain("hunter2");
  }
});

test("DATABASE_URL - nobody listens there", async () => {
  const url = `postgres://me:hunter2@127.0.0.1:${String(await freePort())}/db`;
  const { code, message } = await refusalOf(checkPostgres(url, openConnection));
  expect(code).toBe("POSTGRES_UNREACHABLE");
  expect(message).toContain("ECONNREFUSED");
  expect(message).not.toContain("hunter2");
});

test("DATABASE_URL - something else listens there", async () => {
  await using other = await impostor("HTTP/1.1 400 Bad Request\r\n\r\n");
  const { code, message } = await refusalOf(checkPostgres(`postgres://me@${other.where}/db`, openConnection));
  expect(code).toBe("POSTGRES_UNREACHABLE");
  expect(message).toContain("does not speak Postgres's protocol");
});

test("DATABASE_URL - the server does not know the password, or the database", async () => {
  await using database = await createEmptyDatabase();
  const wrong = new URL(database.url);
  wrong.pathname = "/absent";
  const { code, message } = await refusalOf(checkPostgres(wrong.href, openConnection));
  expect(code).toBe("POSTGRES_REFUSED");
  expect(message).toContain('"absent"');
  wrong.href = database.url;
  wrong.username = "stranger";
  expect((await refusalOf(checkPostgres(wrong.href, openConnection))).code).toBe("POSTGRES_REFUSED");
});

test("DATABASE_URL - a server without pgvector, with an old one, or that is old itself", async () => {
  await using database = await createEmptyDatabase();
  const check = (facts: { version: string; pgvector: string | null }) =>
    refusalOf(checkPostgres(database.url, saying(facts)));
  const without = await check({ version: "16.2 (Debian 16.2-1)", pgvector: null });
  expect(without.code).toBe("PGVECTOR_MISSING");
  expect(without.message).toContain("apt install postgresql-16-pgvector");
  expect(await check({ version: "15.4", pgvector: "0.4.4" })).toMatchObject({ code: "PGVECTOR_MISSING" });
  expect(await check({ version: "14.9", pgvector: "0.8.0" })).toMatchObject({ code: "POSTGRES_TOO_OLD" });
});

test("NATS_URL - several servers, of which one answers, will do", async () => {
  const url = new URL(testNatsUrl());
  const absent = `nats://127.0.0.1:${String(await freePort())}`;
  const { access, where } = await checkNats(`${absent},${url.href}`);
  expect(access.servers).toEqual([absent, `nats://${url.host}`]);
  expect(where).toBe(url.host);
  expect(JSON.stringify(access.servers)).not.toContain("@");
});

test("NATS_URL - a text that is no such URL is refused, and not repeated", async () => {
  for (const url of ["http://me:hunter2@host", "nats://", "nats://me:hunter2@host:port"]) {
    const { code, message } = await refusalOf(checkNats(url));
    expect(code).toBe("SERVER_URL_INVALID");
    expect(message).not.toContain("hunter2");
  }
});

test("NATS_URL - nobody listens there, or something else does", async () => {
  const { code, message } = await refusalOf(checkNats(`nats://me:hunter2@127.0.0.1:${String(await freePort())}`));
  expect(code).toBe("NATS_UNREACHABLE");
  expect(message).not.toContain("hunter2");
  await using other = await impostor("HTTP/1.1 400 Bad Request\r\n\r\n");
  expect(await refusalOf(checkNats(other.where))).toMatchObject({
    code: "NATS_UNREACHABLE",
    message: expect.stringContaining("does not speak NATS's protocol") as string,
  });
});

test("NATS_URL - the server runs without JetStream", async () => {
  await using nats = await startTestNats({ jetStream: false });
  const { code, message } = await refusalOf(checkNats(nats.url));
  expect(code).toBe("JETSTREAM_DISABLED");
  expect(message).toContain("-js");
});

test("NATS_URL - the server is too old", async () => {
  await using old = await impostor('INFO {"version":"2.9.10","jetstream":true}\r\nPONG\r\n');
  expect(await refusalOf(checkNats(old.where))).toMatchObject({
    code: "NATS_TOO_OLD",
    message: expect.stringContaining("2.9.10") as string,
  });
});

test("NATS_URL - the server does not know the password", async () => {
  await using strict = await impostor(
    `INFO {"version":"2.10.27","jetstream":true,"auth_required":true}\r\n-ERR 'Authorization Violation'\r\n`,
  );
  expect(await refusalOf(checkNats(`nats://me:hunter2@${strict.where}`))).toMatchObject({
    code: "NATS_REFUSED",
    message: expect.stringContaining("Authorization Violation") as string,
  });
});

test("two named servers - are used as they are, and nothing is started or written", async () => {
  await using database = await createEmptyDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-named-"));
  try {
    const options = { dataDir, open: openConnection, databaseUrl: database.url, natsUrl: testNatsUrl() };
    await using stack = await startStack(options);
    expect(stack.databaseUrl).toBe(database.url);
    expect(stack.describe().map(({ kind, pid }) => [kind, pid])).toEqual([
      ["named", undefined],
      ["named", undefined],
    ]);
    expect(await readdir(dataDir)).toEqual([]);
    const report = await doctor(options);
    expect(report.ok, JSON.stringify(report.checks)).toBe(true);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});

test("one named server - the other one is private", async () => {
  await using database = await createEmptyDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "signalbox-named-"));
  try {
    await using stack = await startStack({ dataDir, open: openConnection, databaseUrl: database.url });
    expect(stack.describe().map(({ name, kind }) => [name, kind])).toEqual([
      ["postgres", "named"],
      ["nats", "private"],
    ]);
  } finally {
    await removeDataFolder(dataDir);
    await rm(dataDir, { recursive: true, force: true });
  }
});

test("doctor - says of a wrong server what is wrong and what to do", async () => {
  const report = await doctor({
    dataDir: tmpdir(),
    open: openConnection,
    databaseUrl: "nonsense",
    natsUrl: "http://x",
  });
  expect(report.ok).toBe(false);
  const postgres = report.checks.find(({ name }) => name === "postgres");
  expect(postgres?.status).toBe("fail");
  expect(postgres?.found).toContain("SERVER_URL_INVALID");
  expect(postgres?.todo).toContain("postgres://USER:PASSWORD@HOST:5432/DATABASE");
  expect(report.checks.find(({ name }) => name === "nats")?.todo).toContain("nats://HOST:4222");
});
