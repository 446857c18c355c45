import type { Command } from "commander";
import pc from "picocolors";
import { answerQuestion, listQuestions } from "../../approvals/questions.ts";
import { deliverIn } from "../../journal/deliver.ts";
import { idOf, parseJson, wholeNumber } from "../arguments.ts";
import { connect, globalOptions, signedIn } from "../context.ts";
import { moreThan, print, visible } from "../output.ts";

/** `questions ls|answer`: what agents ask people with `human.ask`. */
export function addQuestionCommands(program: Command): void {
  const questions = program.command("questions").description("what agents ask people");
  questions
    .command("ls")
    .description("list open questions")
    .option("--all", "past ones too")
    .option("--limit <n>", "how many", wholeNumber, 200)
    .action(async ({ all, limit }: { all?: boolean; limit: number }, command: Command) => {
      const global = globalOptions(command);
      await using session = await connect(global);
      const { questions: list, next } = await listQuestions(session.database, {
        status: all === true ? "all" : "open",
        limit,
      });
      print(global.json, { questions: list, next }, () =>
        list.length === 0
          ? "No question is open."
          : `${list
              .map(
                (one) =>
                  `${pc.bold(visible(one.text))}\n  question  ${one.question}\n  from      ${one.agent}, for the pool ${one.pool}, ${one.status}\n  answer    ${visible(JSON.stringify(one.answer))}`,
              )
              .join("\n")}${moreThan(next, limit)}`,
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
