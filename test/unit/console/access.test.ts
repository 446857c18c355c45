import Fastify from "fastify";
import { describe, expect, test } from "vitest";
import { assertMay, guardRoutes, SOCKET_NEEDS, socketMessageKey, type Need } from "../../../console/server/access.ts";
import { RouteUndeclaredError } from "../../../console/server/errors.ts";
import { ForbiddenError } from "../../../runtime/core/errors.ts";
import { ROLES, type Principal, type Role } from "../../../runtime/core/people.ts";
import { clientMessage, type ClientMessage } from "../../../runtime/core/protocol.ts";

describe("declarations", () => {
  test("route - one that nothing declares stops the server from starting", () => {
    const app = Fastify({ exposeHeadRoutes: false });
    guardRoutes(app, { "GET /api/known": "signed_in" });
    app.get("/api/known", () => "");
    expect(() => app.get("/api/unknown", () => "")).toThrow(RouteUndeclaredError);
    expect(() => app.post("/api/known", () => "")).toThrow('"POST /api/known"');
  });

  test("route - a declaration without a route stops it too", () => {
    const app = Fastify({ exposeHeadRoutes: false });
    const assertAll = guardRoutes(app, { "GET /api/here": "signed_in", "GET /api/gone": "signed_in" });
    app.get("/api/here", () => "");
    expect(assertAll).toThrow('"GET /api/gone"');
    app.get("/api/gone", () => "");
    expect(assertAll).not.toThrow();
  });
});

describe("who may", () => {
  const principal = (roles: readonly Role[], kind: "person" | "service" = "person"): Principal => ({
    name: "ada",
    kind,
    roles,
    pools: [],
  });
  const may = (who: Principal, need: Need) => {
    try {
      assertMay(who, need, "this");
      return true;
    } catch (error) {
      if (error instanceof ForbiddenError) return false;
      throw error;
    }
  };

  test("role - one of those named is enough, and none of the others is", () => {
    for (const role of ROLES) {
      expect(may(principal([role]), { roles: ["operator", "auditor"] })).toBe(
        role === "operator" || role === "auditor",
      );
      expect(may(principal([role]), { roles: [] })).toBe(false);
    }
    expect(may(principal([]), { roles: ROLES })).toBe(false);
    expect(may(principal([]), "signed_in")).toBe(true);
  });

  test("role - what is reserved for people is refused to a service that has the role", () => {
    const need: Need = { roles: ["operator"], person: true };
    expect(may(principal(["operator"]), need)).toBe(true);
    expect(may(principal(["operator"], "service"), need)).toBe(false);
  });

  test("socket - every message and topic of the protocol has a declaration", () => {
    const types = clientMessage.options.map((option) => option.shape.type.value);
    const session = "0b9d4d0e-8a0e-4c39-8f6c-000000000000";
    const messages: ClientMessage[] = [
      { type: "hello", protocol: 1 },
      { type: "pong" },
      { type: "unsubscribe", id: "x" },
      { type: "subscribe", id: "x", topic: { kind: "session", session, have: {} } },
      { type: "subscribe", id: "x", topic: { kind: "sessions" } },
      { type: "subscribe", id: "x", topic: { kind: "approvals" } },
      { type: "subscribe", id: "x", topic: { kind: "questions" } },
    ];
    expect(new Set(messages.map((message) => message.type))).toEqual(new Set(types));
    expect(new Set(messages.map(socketMessageKey))).toEqual(new Set(Object.keys(SOCKET_NEEDS)));
    for (const [message, need] of Object.entries(SOCKET_NEEDS)) {
      if (message.startsWith("subscribe")) expect(may(principal([]), need), message).toBe(false);
    }
  });
});
