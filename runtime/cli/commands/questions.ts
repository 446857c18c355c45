import type { Command } from "commander";
import pc from "picocolors";
import { answerQuestion, listQuestions } from "../../approvals/questions.ts";
import { deliverIn } from "../../journal/deliver.ts";
import { idOf, parseJson } from "../arguments.ts";
import { connect, globalOptions, signedIn } from "../context.ts";
import { print, visible } from "../output.ts";

/** `questions ls|answer`: what agents ask people with `human.ask`. */
export function addQuestionCommands(program: Command): void {
  const questions = program.command("questions").description("what agents ask people");
  questions
    .command("ls")
    .description("list open questions")
    .option("--all", "past ones too")
    .action(async (options: { all?: boolean }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const list = await listQuestions(session.database, { all: options.all === true });
      print(global.json, { questions: list }, () =>
        list.length === 0
          ? "No question is open."
          : list
              .map(
                (one) =>
                  `${pc.bold(visible(one.text))}\n  question  ${one.question}\n  from      ${one.agent}, for the pool ${one.pool}, ${one.status}\n  answer    ${visible(JSON.stringify(one.answer))}`,
              )
              .join("\n"),
      );
    });
  questions
    .command("answer")
    .description("answer a question")
    .argument("<question>", "its id", idOf("a question", "questions ls"))
    .argument("<answer>", "the answer as JSON, as the question's schema says")
    .action(async (question: string, answer: string, _options: unknown, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const by = await signedIn(session.people);
      const context = { database: session.database, deliver: deliverIn };
      const woken = await answerQuestion(context, by, { question, answer: parseJson(answer) });
      if (woken) session.wake(woken.agent, woken.run);
      print(global.json, { question, answered: true }, () => "Answered.");
    });
}
