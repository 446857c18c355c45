import type { Figures, FigureName, Measured } from "./figures.ts";
import { machineOf } from "./machine.ts";

/** Figures with the command that this process is, and what they were measured on, today. @param script of package.json */
export function measuredNow<Name extends FigureName>(
  script: string,
  settings: Readonly<Record<string, string>>,
  figures: Figures<Name>,
): Measured<Name> {
  // How it is printed is not what is measured.
  const options = process.argv.slice(2).filter((option) => option !== "--json");
  return {
    command: `npm run ${script} -- ${options.join(" ")}`,
    machine: machineOf(settings),
    measured: new Date().toISOString().slice(0, 10),
    figures,
  };
}
