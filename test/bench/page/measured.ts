import type { Figures, FigureName, Measured } from "./figures.ts";
import { machineOf } from "./machine.ts";

/** Figures with the command that this process is, and what they were measured on, today. @param script of package.json */
export function measuredNow<Name extends FigureName>(
  script: string,
  settings: Readonly<Record<string, string>>,
  figures: Figures<Name>,
): Measured<Name> {
  return {
    command: `npm run ${script} -- ${process.argv.slice(2).join(" ")}`,
    machine: machineOf(settings),
    measured: new Date().toISOString().slice(0, 10),
    figures,
  };
}
