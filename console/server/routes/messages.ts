import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import { deadLettersQuery, publishBody, quarantinedMessagesQuery } from "../../../runtime/core/messages-protocol.ts";
import { reasonBody } from "../../../runtime/core/protocol.ts";
import { parse } from "../answers.ts";
import { identityOf } from "../security.ts";
import { idParams } from "./sessions.ts";

const topicParams = z.object({ topic: z.string() });
const agentParams = z.object({ agent: z.string() });

/** Messages: what is published from outside, what came to nothing, and what was not believed. */
export function addMessageRoutes(app: FastifyInstance, services: ConsoleServices): void {
  app.get("/api/topics", async () => ({ listeners: await services.listListeners() }));

  app.post("/api/listeners/:agent/forget", async (request, reply) => {
    const { agent } = parse(agentParams, request.params, "path");
    const { reason } = parse(reasonBody, request.body, "request");
    await services.forgetListener(identityOf(request), agent, reason);
    return reply.code(204).send();
  });

  app.post("/api/topics/:topic", async (request, reply) => {
    const { topic } = parse(topicParams, request.params, "path");
    const message = parse(publishBody, request.body, "message");
    const { published, created } = await services.publish(identityOf(request), topic, message);
    // 200 where it had been published under its id before.
    return reply.code(created ? 201 : 200).send(published);
  });

  app.get("/api/dead-letters", (request) => services.listDeadLetters(parse(deadLettersQuery, request.query, "query")));

  app.get("/api/dead-letters/:id", (request) => services.getDeadLetter(parse(idParams, request.params, "path").id));

  app.post("/api/dead-letters/:id/redrive", async (request, reply) => {
    const { id } = parse(idParams, request.params, "path");
    const { reason } = parse(reasonBody, request.body, "request");
    // A worker does it, a moment later.
    return reply.code(202).send(await services.redriveDeadLetter(identityOf(request), id, reason));
  });

  app.post("/api/dead-letters/:id/drop", (request) => {
    const { id } = parse(idParams, request.params, "path");
    return services.dropDeadLetter(identityOf(request), id, parse(reasonBody, request.body, "request").reason);
  });

  app.get("/api/quarantined-messages", (request) =>
    services.listQuarantinedMessages(parse(quarantinedMessagesQuery, request.query, "query")),
  );

  app.post("/api/quarantined-messages/:id/dismiss", (request) => {
    const { id } = parse(idParams, request.params, "path");
    const { reason } = parse(reasonBody, request.body, "request");
    return services.dismissQuarantinedMessage(identityOf(request), id, reason);
  });
}
