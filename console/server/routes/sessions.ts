import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import { sessionsQuery, startRunBody, stateQuery } from "../../../runtime/core/protocol.ts";
import { parse } from "../answers.ts";
import { identityOf } from "../security.ts";

/** A path that ends in the id of something. */
export const idParams = z.object({ id: z.uuid() });

export function addSessionRoutes(app: FastifyInstance, services: ConsoleServices): void {
  app.get("/api/sessions", (request) => services.listSessions(parse(sessionsQuery, request.query, "query")));

  app.get("/api/sessions/:id", (request) => services.sessionView(parse(idParams, request.params, "path").id));

  app.get("/api/sessions/:id/state", (request) => {
    const { id } = parse(idParams, request.params, "path");
    return services.sessionState(id, parse(stateQuery, request.query, "query"));
  });

  app.get("/api/sessions/:id/verify", (request) => services.verifySession(parse(idParams, request.params, "path").id));

  app.post("/api/runs", async (request, reply) => {
    const started = await services.startRun(identityOf(request), parse(startRunBody, request.body, "request"));
    // 200 where the key had started it before.
    return reply.code(started.created ? 201 : 200).send(started.session);
  });

  app.get("/api/agents", async () => ({ agents: await services.listAgents() }));

  app.get("/api/health", () => services.health());
}
