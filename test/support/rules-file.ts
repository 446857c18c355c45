import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** A file of rules with this text. */
export async function rulesFile(text: string): Promise<URL> {
  const path = join(await mkdtemp(join(tmpdir(), "signalbox-rules-")), "rules.cedar");
  await writeFile(path, text);
  return pathToFileURL(path);
}

/** Everything that agents declare is permitted. */
export const PERMIT_ALL = `@id("all") permit (principal, action, resource);\n`;
