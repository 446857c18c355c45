import { readFile } from "node:fs/promises";
import type { Runtime } from "node:inspector";
import { SourceMap, type SourceMapPayload } from "node:module";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ROOT } from "../engine/programs.ts";

/** The files that the code of a compiled program was made from, by its source map, and those of the packages. */
export async function filesOf(program: string): Promise<(frame: Runtime.CallFrame) => string | null> {
  const url = pathToFileURL(program).href;
  const map = new SourceMap(JSON.parse(await readFile(`${program}.map`, "utf8")) as SourceMapPayload);
  return (frame) => {
    if (frame.url === url) {
      const entry = map.findEntry(frame.lineNumber, frame.columnNumber);
      return "originalSource" in entry ? relative(ROOT, resolve(dirname(program), entry.originalSource)) : null;
    }
    return frame.url.startsWith("file:") ? relative(ROOT, fileURLToPath(frame.url)) : null;
  };
}
