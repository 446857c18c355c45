import { Option, type Command } from "commander";
import type { RunView } from "../../core/protocol.ts";
import { idOf, wholeNumber } from "../arguments.ts";
import { configOf, connect, globalOptions, signedIn } from "../context.ts";
import { moreThan, oneLine, print, table, time } from "../output.ts";

const RUN_ID = idOf("a run", "runs ls");

export const STUCK_WORDS = {
  no_worker: "no worker has its agent",
  no_worker_for_version: "no worker for its version",
} as const;

/** `runs ls|cancel|release|restart` and `queues`: how runs fare, and what an operator can do about it. */
export function addRunsCommands(program: Command): void {
  const runs = program.command("runs").description("runs that have not ended, one by one");
  runs
    .command("ls")
    .description("list runs that have not ended, oldest first")
    .addOption(new Option("--status <status>", "only these").choices(["ready", "running", "parked", "quarantined"]))
    .option("--agent <name>", "only runs of this agent")
    .option("--stuck", "only runs that would not go on: no worker has their agent, or its version")
    .option("--limit <n>", "how many", wholeNumber, 200)
    .action(
      async (
        options: { status?: RunView["status"]; agent?: string; stuck?: boolean; limit: number },
        command: Command,
      ) => {
        const global = globalOptions(command);
        await using session = await connect(global);
        const { status, agent, limit } = options;
        const { runs: list, next } = await session.services.listRuns({
          status: status as "ready" | undefined,
          agent,
          limit,
          stuck: options.stuck === true,
        });
        print(global.json, { runs: list, next }, () =>
          list.length === 0
            ? "All such runs have ended."
            : `${table(
                ["RUN", "AGENT", "VERSION", "STATUS", "STARTED BY", "KEY", "SINCE (UTC)", "WAITS FOR", "CRASHES", ""],
                list.map((run) => [
                  run.run,
                  run.agent,
                  run.version?.slice(0, 12) ?? "-",
                  run.status,
                  run.startedBy.id,
                  run.queue === null ? "-" : oneLine(run.queue),
                  time(run.startedAt),
                  [...new Set(run.waits.map(({ kind }) => kind))].join(", "),
                  String(run.crashes),
                  run.stuck === null ? "" : STUCK_WORDS[run.stuck],
                ]),
              )}${moreThan(next, limit)}`,
        );
      },
    );
  runs
    .command("cancel")
    .description("end a run, and all runs that it asked; what it has started is settled first")
    .argument("<run>", "its id; a session's id is that of its first run", RUN_ID)
    .requiredOption("--reason <text>", "why, for the record")
    .action(async (run: string, { reason }: { reason: string }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const view = await session.services.cancelRun(await signedIn(session.people), run, reason);
      print(global.json, view, () => "Asked. It ends as soon as what it has started is settled.");
    });
  runs
    .command("release")
    .description("let workers take a run again that is in quarantine")
    .argument("<run>", "its id", RUN_ID)
    .requiredOption("--reason <text>", "why it will not crash them again")
    .action(async (run: string, { reason }: { reason: string }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const view = await session.services.releaseRun(await signedIn(session.people), run, reason);
      print(global.json, view, () => "Released. The next worker takes it.");
    });
  runs
    .command("restart")
    .description("cancel a run that does not go on, and start a new session with its agent and input")
    .argument("<run>", "its id", RUN_ID)
    .requiredOption("--reason <text>", "why, for the record")
    .action(async (run: string, { reason }: { reason: string }, command: Command) => {
      const global = globalOptions(command);
      const { config } = await configOf(global);
      await using session = await connect(global, config);
      const started = await session.services.restartRun(await signedIn(session.people), run, reason);
      print(global.json, started, () => `Started the session ${started.session}.`);
    });
  program
    .command("queues")
    .description("how much waits for each agent, and for how long")
    .action(async (_options: unknown, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const list = await session.services.queues();
      print(global.json, { queues: list }, () =>
        list.length === 0
          ? "There is no agent yet: no worker has started, and no run."
          : table(
              ["AGENT", "READY", "RUNNING", "WAITING", "QUARANTINED", "MESSAGES", "LIMIT", "DEAD", "LAG", "VERSIONS"],
              list.map((queue) => [
                queue.agent,
                ...[queue.ready, queue.running, queue.parked, queue.quarantined, queue.messages].map(String),
                queue.limit === null ? "-" : String(queue.limit),
                String(queue.deadLetters),
                `${(queue.lagMs / 1000).toFixed(1)} s`,
                queue.versions.map((version) => version.slice(0, 12)).join(", ") || "no worker",
              ]),
            ),
      );
    });
}
