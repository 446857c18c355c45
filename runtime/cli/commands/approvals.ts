import type { Command } from "commander";
import pc from "picocolors";
import type { ApprovalView } from "../../core/protocol.ts";
import type { Principal } from "../../core/people.ts";
import { InvalidInputError } from "../../core/errors.ts";
import { idOf, parseJson, wholeNumber } from "../arguments.ts";
import { configOf, connect, globalOptions, signedIn } from "../context.ts";
import { ConfigNotFoundError } from "../load-config.ts";
import { brief, moreThan, print, table, time, visible } from "../output.ts";

/** Somebody who may look but decides nothing: reading commands need no person. */
const READER: Principal = { name: "", kind: "service", roles: ["viewer"], pools: [] };

const APPROVAL_ID = idOf("an approval", "approvals ls --all");

/** `approvals ls|show|approve|reject` and `doubts ls|resolve`: what waits for people. */
export function addApprovalCommands(program: Command): void {
  const approvals = program.command("approvals").description("held calls that wait for people");
  approvals
    .command("ls")
    .description("list held calls")
    .option("--all", "decided ones too")
    .option("--limit <n>", "how many", wholeNumber, 200)
    .action(async (options: { all?: boolean; limit: number }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const { approvals: list, next } = await session.services.listApprovals(READER, {
        status: options.all === true ? "all" : "pending",
        limit: options.limit,
      });
      print(global.json, { approvals: list, next }, () =>
        list.length === 0
          ? "Nothing waits for a decision."
          : `${table(
              ["APPROVAL", "AGENT", "CALL", "ARGUMENTS", "RULE", "POOL", "STATUS", "UNTIL (UTC)"],
              list.map((one) => [
                one.approval,
                one.agent,
                one.tool,
                brief(one.input, 60),
                ruleOf(one),
                one.pool,
                one.status,
                time(one.expiresAt),
              ]),
            )}${moreThan(next, options.limit)}`,
      );
    });
  approvals
    .command("show")
    .description("everything about one held call")
    .argument("<approval>", "its id", APPROVAL_ID)
    .action(async (id: string, _options: unknown, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const one = await session.services.getApproval(READER, id);
      print(global.json, one, () => showApproval(one));
    });
  for (const decision of ["approve", "reject"] as const) {
    approvals
      .command(decision)
      .description(decision === "approve" ? "let the call happen" : "refuse the call")
      .argument("<approval>", "its id", APPROVAL_ID)
      .option("--reason <text>", decision === "approve" ? "why, for the record" : "why; the agent is told", "")
      .action(async (id: string, options: { reason: string }, command: Command) => {
        const global = globalOptions(command);
        await using session = await connect(global);
        const by = await signedIn(session.people);
        const { argsHash } = await session.services.getApproval(by, id);
        const decided = await session.services.decide(by, id, { decision, reason: options.reason, argsHash });
        print(
          global.json,
          decided,
          () =>
            `${decided.tool}: ${decided.status === "pending" ? `${decision} noted, ${String(decided.approversNeeded - decided.decisions.length)} more needed` : decided.status}.`,
        );
      });
  }
  const doubts = program.command("doubts").description("calls of which nobody knows whether they happened");
  doubts
    .command("ls")
    .description("list calls in doubt")
    .option("--limit <n>", "how many", wholeNumber, 200)
    .action(async ({ limit }: { limit: number }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const { doubts: list, next } = await session.services.listDoubts({ limit });
      print(global.json, { doubts: list, next }, () =>
        list.length === 0
          ? "No call is in doubt."
          : `${list
              .map(
                (one) =>
                  `${pc.bold(one.tool)} ${brief(one.input)}\n  run     ${one.run}\n  effect  ${one.effect}\n  key     ${one.effectId}\n  why     ${visible(one.reason)}`,
              )
              .join("\n")}${moreThan(next, limit)}`,
      );
    });
  doubts
    .command("resolve")
    .description("say what became of a call in doubt")
    .argument("<run>", "its run's id", idOf("a run", "doubts ls"))
    .argument("<effect>", "the effect, as doubts ls shows it")
    .requiredOption("--reason <text>", "how you know")
    .option("--happened <result>", "it happened, with this result (JSON)")
    .option("--did-not-happen", "it did not happen: try again")
    .option("--give-up", "leave it unknown: the agent is told")
    .action(
      async (
        run: string,
        effect: string,
        options: { reason: string; happened?: string; didNotHappen?: boolean; giveUp?: boolean },
        command: Command,
      ) => {
        const global = globalOptions(command);
        const chosen = [options.happened !== undefined, options.didNotHappen === true, options.giveUp === true];
        if (chosen.filter(Boolean).length !== 1) {
          throw new InvalidInputError("Say exactly one of --happened RESULT, --did-not-happen and --give-up.");
        }
        // Only the configuration knows what the tool returns; a machine without it leaves the check to the worker.
        const known = options.happened === undefined ? null : await configOf(global).catch(withoutConfig);
        await using session = await connect(global, known?.config);
        const by = await signedIn(session.people);
        const resolution =
          options.happened !== undefined ? "happened" : options.didNotHappen === true ? "did_not_happen" : "give_up";
        await session.services.resolveDoubt(by, {
          run,
          effect,
          resolution,
          reason: options.reason,
          ...(options.happened === undefined ? {} : { result: parseJson(options.happened) }),
        });
        print(global.json, { run, effect, resolution }, () => `Settled: ${resolution}.`);
      },
    );
}

function withoutConfig(error: unknown): null {
  if (error instanceof ConfigNotFoundError) return null;
  throw error;
}

function ruleOf(one: ApprovalView): string {
  return one.verdict.rules.map((rule) => rule.id).join(", ");
}

function showApproval(one: ApprovalView): string {
  return [
    `${pc.bold(one.tool)} by ${one.agent}, ${one.status}`,
    `  why       ${visible(one.verdict.reason)} [${ruleOf(one)}]`,
    `  with      ${visible(JSON.stringify(one.input, null, 2)).replaceAll("\n", "\n            ")}`,
    `  session   ${one.session}, started by ${one.startedBy.id}`,
    `  decided by ${one.pool}: ${String(one.decisions.filter((decision) => decision.decision === "approve").length)} of ${String(one.approversNeeded)}, until ${time(one.expiresAt)} UTC`,
    ...one.decisions.map(
      (decision) => `  ${decision.by}: ${decision.decision}${decision.reason ? ` (${visible(decision.reason)})` : ""}`,
    ),
    `  hash      ${one.argsHash}`,
  ].join("\n");
}
