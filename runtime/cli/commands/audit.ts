import type { Command } from "commander";
import pc from "picocolors";
import { verify } from "../../audit/verify.ts";
import { SESSION_ID } from "../arguments.ts";
import { connect, globalOptions } from "../context.ts";
import { EXIT, print } from "../output.ts";

/** `audit verify`: is the record what was recorded? */
export function addAuditCommands(program: Command): void {
  const audit = program.command("audit").description("prove the record");
  audit
    .command("verify")
    .description("recompute every hash; names the first bad event and ends with 3 if there is one")
    .argument("[session]", "one session; without it, everything", SESSION_ID)
    .action(async (session: string | undefined, _options: unknown, command: Command) => {
      const global = globalOptions(command);
      await using connected = await connect(global);
      const report = await verify(connected.database, session ?? null);
      print(global.json, report, () =>
        report.verified
          ? `${pc.green("verified")} ${String(report.events)} events in ${String(report.runs)} runs are what was recorded.`
          : report.firstBad
            ? `${pc.red("not verified")} run ${report.firstBad.run}, event ${String(report.firstBad.seq)}: ${report.firstBad.problem}`
            : `${pc.red("not verified")} There is nothing to verify.`,
      );
      if (!report.verified) process.exitCode = EXIT.check;
    });
}
