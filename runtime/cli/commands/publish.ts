import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { publishBody } from "../../core/messages-protocol.ts";
import { parseJson, standardInput } from "../arguments.ts";
import { connect, globalOptions, signedIn } from "../context.ts";
import { print, table } from "../output.ts";

/** `publish` and `topics`: messages from outside, and who listens to them. */
export function addPublishCommands(program: Command): void {
  program
    .command("publish")
    .description("publish a message on a topic, to every agent that listens")
    .argument("<topic>", 'for example "sensors.cold-chain.truck-7"')
    .argument("<body>", "the message as JSON; - reads standard input")
    .option("--key <key>", "messages of one key go to one run, in order (default: the topic)")
    .option("--id <id>", "your own id of it: publishing again under the same id changes nothing")
    .option("--label <label>", "what is to be known of the data; may be said several times", collect, [])
    .action(
      async (
        topic: string,
        body: string,
        options: { key?: string; id?: string; label: string[] },
        command: Command,
      ) => {
        const global = globalOptions(command);
        const { key, id, label: labels } = options;
        const message = publishBody.omit({ body: true }).safeParse({ key, id, labels });
        if (!message.success) {
          const [issue] = message.error.issues;
          throw new InvalidArgumentError(
            `--${issue?.path[0] === "labels" ? "label" : String(issue?.path[0])}: ${issue?.message ?? ""}`,
          );
        }
        const given = parseJson(body === "-" ? await standardInput() : body);
        await using session = await connect(global);
        const by = await signedIn(session.people);
        const { published, created } = await session.services.publish(by, topic, { ...message.data, body: given });
        const { receivers } = published;
        print(global.json, published, () => {
          if (receivers.length === 0)
            return `Nobody listens to ${topic}. "npx signalbox topics" shows who listens to what.`;
          return created
            ? `Published on ${topic}, to ${receivers.join(", ")}.`
            : `This was published on ${topic} under this id before, to ${receivers.join(", ")}.`;
        });
      },
    );
  const topics = program.command("topics").description("who listens to what");
  topics
    .command("ls", { isDefault: true })
    .description("which agent listens to which topics")
    .action(async (_options: unknown, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const listeners = await session.services.listListeners();
      print(global.json, { listeners }, () =>
        listeners.length === 0
          ? "No agent listens to a topic."
          : table(
              ["AGENT", "TOPIC"],
              listeners.flatMap(({ agent, topics }) => topics.map((topic) => [agent, topic])),
            ),
      );
    });
  topics
    .command("forget")
    .description("publish nothing more to an agent that will not come back")
    .argument("<agent>", "the name of an agent that no worker has")
    .requiredOption("--reason <text>", "why, for the record")
    .action(async (agent: string, { reason }: { reason: string }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      await session.services.forgetListener(await signedIn(session.people), agent, reason);
      print(global.json, { agent }, () => `Nothing is published to ${agent} any more, unless a worker has it again.`);
    });
}

function collect(label: string, before: string[]): string[] {
  return [...before, label];
}
