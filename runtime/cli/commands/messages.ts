import { Option, type Command } from "commander";
import pc from "picocolors";
import type { ConsoleServices } from "../../core/console-services.ts";
import { ConflictError, InvalidInputError, toErrorRecord, type ErrorRecord } from "../../core/errors.ts";
import { DEAD_REASONS, type DeadReason } from "../../core/messages.ts";
import type { DeadLetterDetails, DeadLetterView, QuarantinedMessageView } from "../../core/messages-protocol.ts";
import { idOf } from "../arguments.ts";
import { connect, globalOptions, signedIn } from "../context.ts";
import { brief, EXIT, oneLine, print, table, time, visible } from "../output.ts";

const DEAD_LETTER_ID = idOf("a dead letter", "messages dead ls --all");
const QUARANTINED_ID = idOf("a quarantined message", "messages quarantine ls --all");
const PAGE = 200;

/** `messages dead|quarantine`: what came to nothing, and what was not believed. */
export function addMessageCommands(program: Command): void {
  const messages = program.command("messages").description("messages that came to nothing, or were not believed");
  addDeadCommands(messages.command("dead").description("dead letters: messages that are not tried any more"));
  addQuarantineCommands(messages.command("quarantine").description("what came and was not taken for a message"));
}

function addDeadCommands(dead: Command): void {
  dead
    .command("ls", { isDefault: true })
    .description("list dead letters, oldest first")
    .option("--agent <name>", "only those for this agent")
    .option("--all", "also those that somebody has seen to")
    .option("--after <id>", "the page after the one that ended with this dead letter", DEAD_LETTER_ID)
    .action(async (options: { agent?: string; all?: boolean; after?: string }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const page = await session.services.listDeadLetters({ ...options, all: options.all === true, limit: PAGE });
      print(global.json, page, () =>
        page.deadLetters.length === 0
          ? "There is no dead letter."
          : `${table(
              ["DEAD LETTER", "AGENT", "FROM", "ABOUT", "REASON", "TRIES", "SINCE (UTC)", ""],
              page.deadLetters.map((one) => [
                one.deadLetter,
                one.agent,
                one.from,
                about(one),
                one.reason,
                String(one.tries),
                time(one.diedAt),
                state(one),
              ]),
            )}${page.next === null ? "" : `\n${pc.dim(`There are more: --after ${page.next}`)}`}`,
      );
    });
  dead
    .command("show")
    .description("one dead letter, with what the message says")
    .argument("<id>", "its id", DEAD_LETTER_ID)
    .action(async (id: string, _options: unknown, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const one = await session.services.getDeadLetter(id);
      print(global.json, one, () => showDeadLetter(one));
    });
  dead
    .command("redrive")
    .description("have messages tried once more, from the beginning")
    .argument("[ids...]", "their ids, as messages dead ls shows them")
    .option("--all", "every one that can be redriven, oldest first")
    .option("--agent <name>", "with --all: only those for this agent")
    .addOption(new Option("--reason-code <reason>", "with --all: only those that died of this").choices(DEAD_REASONS))
    .requiredOption("--reason <text>", "why it will go better now")
    .action(
      async (
        ids: string[],
        options: { all?: boolean; agent?: string; reasonCode?: DeadReason; reason: string },
        command: Command,
      ) => {
        const { all = false, agent, reasonCode, reason } = options;
        if (all === ids.length > 0) throw new InvalidInputError("Name dead letters by their ids, or say --all.");
        if (!all && (agent !== undefined || reasonCode !== undefined)) {
          throw new InvalidInputError(
            "--agent and --reason-code choose among --all; ids name dead letters one by one.",
          );
        }
        const named = ids.map(DEAD_LETTER_ID);
        const global = globalOptions(command);
        await using session = await connect(global);
        const by = await signedIn(session.people);
        const redriven: string[] = [];
        const refused: { readonly deadLetter: string; readonly error: ErrorRecord }[] = [];
        const chosen = all ? openOnes(session.services, { agent, reason: reasonCode }) : named;
        for await (const id of chosen) {
          try {
            await session.services.redriveDeadLetter(by, id, reason);
            redriven.push(id);
          } catch (error) {
            // What cannot be redriven, or what somebody else has seen to, does not keep the others from it.
            if (!(error instanceof ConflictError) || named.length === 1) throw error;
            refused.push({ deadLetter: id, error: toErrorRecord(error) });
          }
        }
        print(global.json, { redriven, refused }, () =>
          [
            `Redriven: ${String(redriven.length)}.${redriven.length === 0 ? "" : " Workers try again within a second."}`,
            ...refused.map(({ error }) => `Not redriven: ${oneLine(error.message)} ${pc.dim(`[${error.code ?? ""}]`)}`),
          ].join("\n"),
        );
        if (refused.length > 0) process.exitCode = EXIT.check;
      },
    );
  dead
    .command("drop")
    .description("leave a message undelivered for good")
    .argument("<id>", "its id", DEAD_LETTER_ID)
    .requiredOption("--reason <text>", "why nobody needs it")
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const dropped = await session.services.dropDeadLetter(await signedIn(session.people), id, reason);
      print(global.json, dropped, () => "Dropped. It stays on the record.");
    });
}

function addQuarantineCommands(quarantine: Command): void {
  quarantine
    .command("ls", { isDefault: true })
    .description("list what nobody has looked at yet, oldest first")
    .option("--all", "also what somebody has dismissed")
    .option("--after <id>", "the page after the one that ended with this message", QUARANTINED_ID)
    .action(async (options: { all?: boolean; after?: string }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const page = await session.services.listQuarantinedMessages({
        ...options,
        all: options.all === true,
        limit: PAGE,
      });
      print(global.json, page, () =>
        page.messages.length === 0
          ? "No message is in quarantine."
          : [
              ...page.messages.map(showQuarantined),
              ...(page.next === null ? [] : [pc.dim(`There are more: --after ${page.next}`)]),
            ].join("\n"),
      );
    });
  quarantine
    .command("dismiss")
    .description("say that you have looked at it; nothing is ever done with it")
    .argument("<id>", "its id", QUARANTINED_ID)
    .requiredOption("--reason <text>", "what it was")
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const dismissed = await session.services.dismissQuarantinedMessage(await signedIn(session.people), id, reason);
      print(global.json, dismissed, () => "Dismissed. If the same thing comes again, it is listed again.");
    });
}

/** The ids of open dead letters that can be redriven, page by page: what is redriven meanwhile lies before the cursor. */
async function* openOnes(
  services: ConsoleServices,
  chosen: { readonly agent: string | undefined; readonly reason: DeadReason | undefined },
): AsyncGenerator<string> {
  let after: string | undefined;
  do {
    const page = await services.listDeadLetters({ ...chosen, all: false, after, limit: PAGE });
    for (const { deadLetter, cannotRedrive } of page.deadLetters) if (cannotRedrive === null) yield deadLetter;
    after = page.next ?? undefined;
  } while (after !== undefined);
}

function about({ kind, topic, key }: DeadLetterView): string {
  const queue = key === null || key === topic ? "" : `, key ${oneLine(key)}`;
  return topic === null ? `${kind}${queue}` : `${topic}${queue}`;
}

function state({ settled, cannotRedrive }: DeadLetterView): string {
  if (settled) return `${settled.as} by ${settled.by}`;
  return cannotRedrive === null ? "" : "cannot be redriven";
}

function showDeadLetter(one: DeadLetterDetails): string {
  const { settled, run } = one;
  return [
    `${pc.bold(one.deadLetter)} ${one.kind} to ${one.agent}, ${one.reason}`,
    `  why      ${oneLine(one.detail)}`,
    `  from     ${oneLine(one.from)}${run === null ? "" : ` (run ${run}, session ${one.session ?? ""})`}, ${time(one.sentAt)} UTC`,
    ...(one.topic === null ? [] : [`  topic    ${oneLine(one.topic)}`]),
    ...(one.key === null ? [] : [`  key      ${oneLine(one.key)}`]),
    `  dead     ${time(one.diedAt)} UTC, after ${String(one.tries)} tries that failed`,
    `  says     ${visible(JSON.stringify(one.body, null, 2)).replaceAll("\n", "\n           ")}`,
    ...(settled ? [`  ${settled.as} by ${settled.by} at ${time(settled.at)} UTC: ${oneLine(settled.reason)}`] : []),
    ...(settled || one.cannotRedrive === null ? [] : [`  ${oneLine(one.cannotRedrive)}`]),
  ].join("\n");
}

/** All that it says may be meant to deceive whoever reads it: it stays on its lines, with nothing hidden. */
function showQuarantined(one: QuarantinedMessageView): string {
  const { dismissed, times } = one;
  return [
    `${pc.bold(one.quarantined)} ${one.reason} on ${oneLine(one.subject)}, ${String(one.bytes)} bytes, ${time(one.firstAt)} UTC${times === 1 ? "" : `, ${String(times)} times, last ${time(one.lastAt)} UTC`}`,
    `  why   ${oneLine(one.detail)}`,
    `  says  ${brief(one.text, 200)}`,
    ...(dismissed ? [`  dismissed by ${dismissed.by} at ${time(dismissed.at)} UTC: ${oneLine(dismissed.reason)}`] : []),
  ].join("\n");
}
