import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { installBenchPackages } from "../engine/install.ts";
import { CONFIG, withDarkMode } from "./theme.ts";

/** A picture: what Vega-Lite is told, and what it shows in words, for those who do not see it. */
export interface Chart {
  readonly specification: object;
  readonly description: string;
}

/** Draws a chart into an SVG file. The same figures give the same bytes. */
export async function drawTo(file: string, { specification, description }: Chart): Promise<void> {
  await installBenchPackages();
  const { draw } = await import("./draw.mjs");
  const svg = await draw({ ...specification, description, config: CONFIG });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${withDarkMode(svg)}\n`);
}
