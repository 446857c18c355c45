#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { Command, CommanderError } from "commander";
import { SignalboxError } from "../core/errors.ts";
import { addApprovalCommands } from "./commands/approvals.ts";
import { addAuditCommands } from "./commands/audit.ts";
import { addCheckCommands } from "./commands/checks.ts";
import { addMessageCommands } from "./commands/messages.ts";
import { addPublishCommands } from "./commands/publish.ts";
import { addQuestionCommands } from "./commands/questions.ts";
import { addRunCommand } from "./commands/run.ts";
import { addRunsCommands } from "./commands/runs.ts";
import { addServerCommands } from "./commands/servers.ts";
import { addSessionCommands } from "./commands/sessions.ts";
import { addUserCommands } from "./commands/users.ts";
import { EXIT, printError } from "./output.ts";

// Before anything of Cedar is compiled: Node 20 aborts in code that V8 has optimised around its wasm.
setFlagsFromString("--no-turbo-inline-js-wasm-calls");

const program = new Command("signalbox")
  .description("Runs teams of AI agents whose actions matter: rules decide, people approve, everything is recorded.")
  .option("--config <file>", "the configuration (default: signalbox.config.ts in this folder)")
  .option("--data <folder>", "the data folder (default: SIGNALBOX_DATA, else .signalbox)")
  .option("--json", "print JSON for programs instead of text for people")
  .helpCommand(false)
  .showHelpAfterError("Run it with --help to see what it takes.")
  .exitOverride();

addServerCommands(program);
addRunCommand(program);
addRunsCommands(program);
addPublishCommands(program);
addSessionCommands(program);
addApprovalCommands(program);
addQuestionCommands(program);
addMessageCommands(program);
addAuditCommands(program);
addCheckCommands(program);
addUserCommands(program);

// Whoever reads our output may stop early, as `head` does: that is no fault, and nobody is left to be told.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(EXIT.ok);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said what is wrong; asking for help is not an error.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  } else {
    printError(error, program.opts<{ json?: boolean }>().json === true);
    process.exitCode = error instanceof SignalboxError ? EXIT.failed : EXIT.fault;
  }
}
