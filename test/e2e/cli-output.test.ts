import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../../runtime/cli/main.ts", import.meta.url));
const FLAGS = ["--conditions=signalbox-source", "--import", "tsx", "--no-turbo-inline-js-wasm-calls"];

test("a command whose reader stops early - ends quietly", async () => {
  const child = spawn(process.execPath, [...FLAGS, MAIN, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  expect({ code, said }).toEqual({ code: 0, said: "" });
}, 60_000);
