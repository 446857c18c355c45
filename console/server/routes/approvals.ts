import type { FastifyInstance } from "fastify";
import type { ConsoleServices } from "../../../runtime/core/console-services.ts";
import { approvalsQuery, decideBody, doubtsQuery, resolveDoubtBody } from "../../../runtime/core/protocol.ts";
import { parse } from "../answers.ts";
import { identityOf } from "../security.ts";
import { idParams } from "./sessions.ts";

export function addApprovalRoutes(
  app: FastifyInstance,
  services: ConsoleServices,
  /** Tells the live inboxes, so that others see a decision before the next poll. */
  onDecided: () => void,
): void {
  app.get("/api/approvals", (request) =>
    services.listApprovals(identityOf(request), parse(approvalsQuery, request.query, "query")),
  );

  app.get("/api/approvals/:id", (request) =>
    services.getApproval(identityOf(request), parse(idParams, request.params, "path").id),
  );

  app.post("/api/approvals/:id/decide", async (request) => {
    const { id } = parse(idParams, request.params, "path");
    const by = identityOf(request);
    const approval = await services.decide(by, id, parse(decideBody, request.body, "decision"));
    onDecided();
    return approval;
  });

  app.get("/api/doubts", (request) => services.listDoubts(parse(doubtsQuery, request.query, "query")));

  app.post("/api/doubts/resolve", async (request, reply) => {
    await services.resolveDoubt(identityOf(request), parse(resolveDoubtBody, request.body, "resolution"));
    return reply.code(204).send();
  });
}
