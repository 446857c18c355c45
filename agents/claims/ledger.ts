import { mkdir, open, readFile, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { LedgerUnreadableError } from "./errors.ts";

/**
 * The pretend bank: a file outside the platform's database with one JSON line a payment. It does what it
 * is told, so a payment that is sent twice is there twice; `key` is the idempotency key by which its
 * sender can ask what became of it.
 */
export const paymentSchema = z.object({
  key: z.string(),
  receipt: z.string(),
  claimId: z.string(),
  policyId: z.string(),
  payee: z.string(),
  iban: z.string(),
  amountMinor: z.int().positive(),
  currency: z.string(),
});
export type Payment = z.infer<typeof paymentSchema>;

export interface Ledger {
  /** Books a payment. Resolves once the line is on disk. Repeating it books it again. */
  book(payment: Payment, signal?: AbortSignal): Promise<void>;
  /**
   * The payment with this key, or undefined if there is none.
   * @throws {@link LedgerUnreadableError} if a broken line may be that payment.
   */
  findPayment(key: string): Promise<Payment | undefined>;
  /** All payments, in the order in which they were booked. */
  payments(): Promise<Payment[]>;
}

export interface LedgerOptions {
  readonly path: string;
  /** How slow the bank is: the pause before a line is written, and again before it is confirmed. */
  readonly delayMs?: number;
}

/** Opens the ledger at a path. Several processes may use one file at the same time. */
export function openLedger({ path, delayMs = 0 }: LedgerOptions): Ledger {
  return {
    async book(payment, signal) {
      await delay(delayMs, undefined, signal ? { signal } : {});
      signal?.throwIfAborted();
      await appendLine(path, JSON.stringify(paymentSchema.parse(payment)));
      // From here on the money is gone: giving up now would report a payment as failed that was made.
      await delay(delayMs);
    },
    async findPayment(key) {
      const lines = (await readLines(path)).filter((line) => line.includes(key));
      const payment = lines.map(parseLine).find((candidate) => candidate?.key === key);
      if (payment || lines.every((line) => parseLine(line) !== undefined)) return payment;
      throw new LedgerUnreadableError(
        `A line of the ledger ${path} names the payment ${key}, but cannot be read. Look at the file, then say whether the payment was made.`,
        { details: { key, path } },
      );
    },
    async payments() {
      return (await readLines(path)).flatMap((line) => parseLine(line) ?? []);
    },
  };
}

/**
 * The ledger that the environment names: `SIGNALBOX_LEDGER` is its file (default: `samples/claims/ledger.jsonl`
 * in `SIGNALBOX_DATA`, which is `.signalbox` by default), `SIGNALBOX_LEDGER_DELAY_MS` how slow the bank is.
 */
export function ledgerFromEnvironment(env: Readonly<Record<string, string | undefined>> = process.env): Ledger {
  const delayMs = Number(env["SIGNALBOX_LEDGER_DELAY_MS"] ?? 0);
  return openLedger({
    path: env["SIGNALBOX_LEDGER"] ?? join(claimsFolder(env), "ledger.jsonl"),
    delayMs: Number.isFinite(delayMs) && delayMs > 0 ? delayMs : 0,
  });
}

/** Where the team keeps what is outside the platform's database: the ledger and the letters. */
export function claimsFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return join(env["SIGNALBOX_DATA"] ?? ".signalbox", "samples", "claims");
}

/** One write of the whole line in append mode, so that lines of several processes never mix; then fsync. */
async function appendLine(path: string, line: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, "a+");
  try {
    const text = Buffer.from(`${(await endsInMidLine(file)) ? "\n" : ""}${line}\n`);
    const { bytesWritten } = await file.write(text);
    if (bytesWritten < text.length) {
      throw new LedgerUnreadableError(`Only a part of a payment could be written to ${path}: is the disk full?`, {
        details: { path },
      });
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** True after a power failure in mid-write: the next line must not be glued to that remainder. */
async function endsInMidLine(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat();
  if (size === 0) return false;
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== 0x0a;
}

async function readLines(path: string): Promise<string[]> {
  try {
    return (await readFile(path, "utf8")).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

function parseLine(line: string): Payment | undefined {
  try {
    return paymentSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
