import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LedgerUnreadableError } from "../../../agents/claims/errors.ts";
import { ledgerFromEnvironment, openLedger, type Ledger, type Payment } from "../../../agents/claims/ledger.ts";
import { fileLetter } from "../../../agents/claims/outbox.ts";

let folder: string;
let path: string;
let ledger: Ledger;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "signalbox-ledger-"));
  path = join(folder, "deep", "ledger.jsonl");
  ledger = openLedger({ path });
});
afterEach(() => rm(folder, { recursive: true }));

const payment = (key: string): Payment => ({
  key,
  receipt: `PAY-${key}`,
  claimId: "CLM-2026-0001",
  policyId: "MOT-DE-20417",
  payee: "Anneliese Brückner",
  iban: "DE68999999990000004137",
  amountMinor: 33_600,
  currency: "EUR",
});

describe("the ledger", () => {
  test("is empty before the first payment", async () => {
    expect(await ledger.payments()).toEqual([]);
    expect(await ledger.findPayment("a")).toBeUndefined();
  });

  test("finds a payment by its key", async () => {
    await ledger.book(payment("a"));
    await ledger.book(payment("b"));
    expect(await ledger.findPayment("b")).toEqual(payment("b"));
  });

  test("books the same payment twice if it is told twice", async () => {
    await ledger.book(payment("a"));
    await ledger.book(payment("a"));
    expect(await ledger.payments()).toEqual([payment("a"), payment("a")]);
  });

  test("a call that was stopped before the line was written books nothing", async () => {
    await expect(ledger.book(payment("a"), AbortSignal.abort())).rejects.toThrow();
    expect(await ledger.payments()).toEqual([]);
  });

  test("a torn line is not glued to the next one, and is no payment", async () => {
    await ledger.book(payment("a"));
    await appendFile(path, '{"key":"torn","rec');
    await ledger.book(payment("b"));
    expect((await ledger.payments()).map(({ key }) => key)).toEqual(["a", "b"]);
    expect(await ledger.findPayment("b")).toEqual(payment("b"));
    expect(await ledger.findPayment("another")).toBeUndefined();
  });

  test("a broken line that names the payment leaves it unknown, until a whole one is there", async () => {
    await ledger.book(payment("a"));
    await appendFile(path, '{"key":"torn","rec\n');
    await expect(ledger.findPayment("torn")).rejects.toThrow(LedgerUnreadableError);
    await ledger.book(payment("torn"));
    expect(await ledger.findPayment("torn")).toEqual(payment("torn"));
  });

  test("keeps every line whole when several processes write at once", { timeout: 30_000 }, async () => {
    const module = fileURLToPath(new URL("../../../agents/claims/ledger.ts", import.meta.url));
    const script = `
      const { openLedger } = await import(${JSON.stringify(module)});
      const ledger = openLedger({ path: ${JSON.stringify(path)} });
      const payment = ${JSON.stringify(payment("x"))};
      await Promise.all(Array.from({ length: 50 }, (_, i) => ledger.book({ ...payment, key: process.argv[1] + i })));`;
    const children = ["p", "q"].map((name) =>
      spawn(
        process.execPath,
        ["--conditions=signalbox-source", "--import", "tsx", "--input-type=module", "-e", script, name],
        {
          stdio: "inherit",
        },
      ),
    );
    const codes = await Promise.all(children.map(async (child) => ((await once(child, "exit")) as [number])[0]));
    expect(codes).toEqual([0, 0]);
    expect((await readFile(path, "utf8")).trimEnd().split("\n").length).toBe(100);
    expect(new Set((await ledger.payments()).map(({ key }) => key)).size).toBe(100);
  });

  test("is where the environment says", async () => {
    await ledgerFromEnvironment({ SIGNALBOX_LEDGER: path }).book(payment("a"));
    expect(await ledger.payments()).toEqual([payment("a")]);
    await ledgerFromEnvironment({ SIGNALBOX_DATA: folder }).book(payment("b"));
    expect(await openLedger({ path: join(folder, "samples", "claims", "ledger.jsonl") }).payments()).toEqual([
      payment("b"),
    ]);
  });
});

describe("the outbox", () => {
  test("a letter that is filed twice under one key is there once", async () => {
    const letter = { to: "A, B", subject: "Your claim", body: "Dear A,\n" };
    const first = await fileLetter(folder, "../../CLM 1", "effect-1", letter);
    expect(await fileLetter(folder, "../../CLM 1", "effect-1", letter)).toBe(first);
    expect(await readdir(folder)).toEqual([first]);
    expect(await readFile(join(folder, first), "utf8")).toBe("To: A, B\nSubject: Your claim\n\nDear A,\n");
  });
});
