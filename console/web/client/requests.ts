import type { z } from "zod";
import type {
  answerBody,
  approvalsQuery,
  decideBody,
  questionsQuery,
  resolveDoubtBody,
  sessionsQuery,
  signInBody,
} from "../../../runtime/core/protocol.ts";

/** What is sent to the server, by the schemas that check it there. Types only: no schema is loaded. */
export type SignIn = z.input<typeof signInBody>;
export type SessionsFilter = Pick<z.input<typeof sessionsQuery>, "status" | "agent">;
export type ApprovalsFilter = NonNullable<z.input<typeof approvalsQuery>["status"]>;
export type Decide = z.input<typeof decideBody>;
export type QuestionsFilter = NonNullable<z.input<typeof questionsQuery>["status"]>;
export type Answer = z.input<typeof answerBody>;
export type ResolveDoubt = z.input<typeof resolveDoubtBody>;
