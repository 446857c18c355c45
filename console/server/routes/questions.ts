import type { FastifyInstance } from "fastify";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import { answerBody, questionsQuery } from "../../../runtime/core/protocol.ts";
import { parse } from "../answers.ts";
import { identityOf } from "../security.ts";
import { idParams } from "./sessions.ts";

export function addQuestionRoutes(
  app: FastifyInstance,
  services: ConsoleServices,
  /** Tells the live inboxes, so that others see an answer before the next poll. */
  onAnswered: () => void,
): void {
  app.get("/api/questions", (request) =>
    services.listQuestions(identityOf(request), parse(questionsQuery, request.query, "query")),
  );

  app.get("/api/questions/:id", (request) =>
    services.getQuestion(identityOf(request), parse(idParams, request.params, "path").id),
  );

  app.post("/api/questions/:id/answer", async (request) => {
    const { id } = parse(idParams, request.params, "path");
    const question = await services.answerQuestion(identityOf(request), id, parse(answerBody, request.body, "answer"));
    onAnswered();
    return question;
  });
}
