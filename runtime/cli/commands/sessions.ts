import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import pc from "picocolors";
import { RUN_STATUSES, type JournalEvent, type RunStatus, type Wait } from "../../core/events.ts";
import type { SessionView } from "../../core/protocol.ts";
import { SESSION_ID, wholeNumber } from "../arguments.ts";
import { connect, globalOptions } from "../context.ts";
import { describeEvent } from "../describe-event.ts";
import { brief, oneLine, print, table, time } from "../output.ts";

/** `sessions ls|show` and `replay`: what happened. */
export function addSessionCommands(program: Command): void {
  const sessions = program.command("sessions").description("what ran, and what came of it");
  sessions
    .command("ls")
    .description("list sessions, newest first")
    .option("--status <status>", RUN_STATUSES.join(", "), parseStatus)
    .option("--agent <name>", "only sessions of this agent")
    .option("--limit <n>", "at most so many", wholeNumber, 50)
    .option("--after <cursor>", "the page after the one that ended with this cursor")
    .action(
      async (options: { status?: RunStatus; agent?: string; limit: number; after?: string }, command: Command) => {
        const global = globalOptions(command);
        await using session = await connect(global);
        const page = await session.services.listSessions({
          ...options,
          limit: Math.min(Math.max(options.limit, 1), 200),
        });
        print(global.json, page, () =>
          page.sessions.length === 0
            ? "There are no sessions yet."
            : `${table(
                ["SESSION", "AGENT", "KEY", "STATUS", "WAITS FOR", "STARTED BY", "STARTED (UTC)", "EVENTS"],
                page.sessions.map((row) => [
                  row.session,
                  row.agent,
                  row.key ?? "-",
                  row.status,
                  waitsFor(row.waits),
                  row.startedBy.id,
                  time(row.startedAt),
                  String(row.events),
                ]),
              )}${page.next === null ? "" : `\n${pc.dim(`There are more: --after ${page.next}`)}`}`,
        );
      },
    );
  sessions
    .command("show")
    .description("one session: its runs, and what each waits for")
    .argument("<session>", "its id", SESSION_ID)
    .action(async (id: string, _options: unknown, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const view = await session.services.sessionView(id);
      print(global.json, view, () => showSession(view));
    });
  program
    .command("replay")
    .description("print a session from its record alone, in causal order")
    .argument("<session>", "its id", SESSION_ID)
    .option(
      "--at <event>",
      "show the state of every run right after this event (its number in the listing)",
      wholeNumber,
    )
    .action(async (id: string, options: { at?: number }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const view = await session.services.sessionView(id);
      if (options.at === undefined) {
        print(global.json, view, () => replayText(view));
        return;
      }
      const event = view.events[options.at - 1];
      if (!event) throw new InvalidArgumentError(`The session has ${String(view.events.length)} events.`);
      const state = await session.services.sessionState(id, { run: event.run, seq: event.seq });
      print(global.json, state, () =>
        [
          `${pc.bold(`After event ${String(options.at)}`)}: ${describeEvent(event)}`,
          ...state.runs.flatMap((run) => [
            `${pc.bold(run.agent)} ${run.status}${run.waits.length > 0 ? `, waits for ${waitsFor(run.waits)}` : ""}`,
            ...Object.entries(run.state).map(([channel, value]) => `  ${channel} = ${brief(value, 160)}`),
          ]),
        ].join("\n"),
      );
    });
}

export function waitsFor(waits: readonly Wait[]): string {
  // What the runs of a session wait for among themselves says less than what they wait for outside.
  const outside = waits.filter((wait) => wait.kind !== "answer");
  const kinds = (outside.length > 0 ? outside : waits).map((wait) => wait.kind);
  return kinds.length === 0 ? "-" : [...new Set(kinds)].join(", ");
}

function showSession(view: SessionView): string {
  const { session, runs } = view;
  return [
    `${pc.bold(session.session)} ${session.agent} ${session.status}`,
    ...outcomeOf(view),
    `started by ${startOf(view)} at ${time(session.startedAt)} UTC${session.endedAt === null ? "" : `, ended ${time(session.endedAt)}`}`,
    table(
      ["RUN", "AGENT", "STATUS", "WAITS FOR", "EVENTS"],
      runs.map((run) => [run.run, run.agent, run.status, waitsFor(run.waits), String(run.events)]),
    ),
  ].join("\n");
}

/** Who started it; for a session that a message started, also the message and the run that it came from. */
function startOf({ session, events }: SessionView): string {
  const first = events.find((event) => event.run === session.session && event.seq === 1);
  const message = first?.type === "run_started" ? first.data.message : undefined;
  if (!message) return session.startedBy.id;
  const { from, sender, topic, key } = message;
  const parts = [
    `${session.startedBy.id}, with a message from ${oneLine(from)}`,
    ...(sender ? [`of the run ${sender.run}`] : []),
    ...(topic === undefined ? [] : [`on ${oneLine(topic)}`]),
    ...(key === undefined || key === topic ? [] : [`with the key ${oneLine(key)}`]),
  ];
  return parts.join(" ");
}

/** What came of the session's first run, if it has ended. */
function outcomeOf({ session, events }: SessionView): string[] {
  const last = events.findLast((event) => event.run === session.session);
  switch (last?.type) {
    case "run_finished":
    case "run_failed":
    case "run_cancelled":
      return [describeEvent(last)];
    default:
      return [];
  }
}

function replayText(view: SessionView): string {
  const agents = new Map(view.runs.map((run) => [run.run, run.agent]));
  const width = Math.max(...[...agents.values()].map((agent) => agent.length), 0);
  const line = (event: JournalEvent, i: number): string =>
    `${String(i + 1).padStart(4)}  ${time(event.at).slice(11)}  ${(agents.get(event.run) ?? "").padEnd(width)}  ${describeEvent(event)}`;
  return [
    `${pc.bold(view.session.session)} ${view.session.agent}: ${view.session.status}, ${String(view.events.length)} events`,
    ...view.events.map(line),
  ].join("\n");
}

function parseStatus(text: string): RunStatus {
  const status = RUN_STATUSES.find((candidate) => candidate === text);
  if (!status) throw new InvalidArgumentError(`It is one of ${RUN_STATUSES.join(", ")}.`);
  return status;
}
