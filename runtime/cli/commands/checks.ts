import type { Command } from "commander";
import pc from "picocolors";
import { ruleSetSource } from "../../config.ts";
import { openConnection } from "../../journal/database.ts";
import { doctor } from "../../stack/index.ts";
import { configOf, globalOptions } from "../context.ts";
import { EXIT, print } from "../output.ts";

const MARKS = { ok: pc.green("ok  "), warn: pc.yellow("warn"), fail: pc.red("fail") } as const;

/** `rules check` and `doctor`: is everything as it should be? */
export function addCheckCommands(program: Command): void {
  const rules = program.command("rules").description("what is allowed");
  rules
    .command("check")
    .description("check every rule file; ends with 3 if something is wrong")
    .action(async (_options: unknown, command: Command) => {
      const global = globalOptions(command);
      const { config } = await configOf(global);
      const { checkRules, formatRuleProblem } = await import("../../rules/index.ts");
      const source = await ruleSetSource(config);
      const problems = checkRules(source);
      const files = new Set([
        ...source.agents.flatMap((agent) => (agent.rules ? [agent.rules.path] : [])),
        ...source.shared.map((file) => file.path),
      ]);
      print(global.json, { files: [...files], problems }, () =>
        problems.length === 0
          ? `${pc.green("ok")} ${String(files.size)} rule ${files.size === 1 ? "file" : "files"}, nothing wrong.${files.size === 0 ? " Without rules every call is denied." : ""}`
          : problems.map(formatRuleProblem).join("\n"),
      );
      if (problems.length > 0) process.exitCode = EXIT.check;
    });
  program
    .command("doctor")
    .description("say what was found on this machine and what is wrong; ends with 3 if it would not start")
    .action(async (_options: unknown, command: Command) => {
      const global = globalOptions(command);
      const report = await doctor({
        dataDir: global.data,
        open: openConnection,
        databaseUrl: process.env["DATABASE_URL"],
        natsUrl: process.env["NATS_URL"],
        consolePort: 4400,
      });
      print(global.json, report, () =>
        report.checks
          .map(
            (check) =>
              `${MARKS[check.status]}  ${check.name.padEnd(16)} ${check.found}${check.todo === undefined ? "" : `\n${"".padEnd(23)}→ ${check.todo}`}`,
          )
          .join("\n"),
      );
      if (!report.ok) process.exitCode = EXIT.check;
    });
}
