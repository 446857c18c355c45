import { createHash } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { claimsFolder } from "./ledger.ts";
import type { Letter } from "./letter.ts";

/** The folder of letters to be posted: `SIGNALBOX_OUTBOX`, or `outbox` beside the ledger. */
export function outboxFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return env["SIGNALBOX_OUTBOX"] ?? join(claimsFolder(env), "outbox");
}

/**
 * Puts a letter into the outbox. The file is named by claim and key, so filing it again under the same
 * key replaces it with itself.
 *
 * @returns the file's name.
 */
export async function fileLetter(folder: string, claimId: string, key: string, letter: Letter): Promise<string> {
  // A claim's id comes from outside: only what is harmless in a file's name is kept of it.
  const digest = createHash("sha256").update(key).digest("hex").slice(0, 16);
  const name = `${claimId.replace(/[^A-Za-z0-9-]/g, "_").slice(0, 40)}.${digest}.txt`;
  await mkdir(folder, { recursive: true });
  const half = join(folder, `.${name}.${String(process.pid)}`);
  await writeFile(half, `To: ${letter.to}\nSubject: ${letter.subject}\n\n${letter.body}`);
  await rename(half, join(folder, name));
  return name;
}
