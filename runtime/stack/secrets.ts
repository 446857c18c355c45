import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { FILES } from "./data-folder.ts";
import { FolderUnusableError } from "./errors.ts";
import { parseJson, readText, writePrivately } from "./files.ts";

const secretsSchema = z.object({ postgres: z.string(), natsWorker: z.string(), natsConsole: z.string() });
/** Passwords of this data folder's servers. */
export type Secrets = z.infer<typeof secretsSchema>;

/** The folder's passwords, made at the first call. */
export async function readSecrets(dataDir: string): Promise<Secrets> {
  const file = join(dataDir, FILES.secrets);
  const text = await readText(file);
  if (text === undefined) {
    const fresh = { postgres: newPassword(), natsWorker: newPassword(), natsConsole: newPassword() };
    await writePrivately(file, JSON.stringify(fresh));
    return fresh;
  }
  const found = secretsSchema.safeParse(parseJson(text));
  if (found.success) return found.data;
  throw new FolderUnusableError(
    `The file ${file} with the servers' passwords is damaged. Restore it from a backup, or start over with a fresh data folder.`,
    { details: { file } },
  );
}

function newPassword(): string {
  return randomBytes(24).toString("base64url");
}
