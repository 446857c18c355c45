import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import { reasonBody, runsQuery, sessionsQuery, startRunBody, stateQuery } from "../../../runtime/core/protocol.ts";
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

  app.get("/api/runs", (request) => services.listRuns(parse(runsQuery, request.query, "query")));

  app.get("/api/runs/:id", (request) => services.getRun(parse(idParams, request.params, "path").id));

  for (const [action, act] of [
    ["cancel", services.cancelRun.bind(services)],
    ["release", services.releaseRun.bind(services)],
  ] as const) {
    app.post(`/api/runs/:id/${action}`, async (request, reply) => {
      const { id } = parse(idParams, request.params, "path");
      // A worker does it, a moment later.
      return reply
        .code(202)
        .send(await act(identityOf(request), id, parse(reasonBody, request.body, "request").reason));
    });
  }

  app.post("/api/runs/:id/restart", async (request, reply) => {
    const { id } = parse(idParams, request.params, "path");
    const { reason } = parse(reasonBody, request.body, "request");
    return reply.code(201).send(await services.restartRun(identityOf(request), id, reason));
  });

  app.get("/api/queues", async () => ({ queues: await services.queues() }));

  app.get("/api/agents", async () => ({ agents: await services.listAgents() }));

  app.get("/api/health", () => services.health());
}
