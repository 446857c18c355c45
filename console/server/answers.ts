import type { FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import {
  ConflictError,
  ForbiddenError,
  InvalidInputError,
  NotFoundError,
  NotSignedInError,
  SignalboxError,
} from "../../runtime/core/errors.ts";
import type { JsonValue } from "../../runtime/core/json.ts";
import type { ErrorBody } from "../../runtime/core/protocol.ts";
import { BodyTooLargeError, ContentTypeRefusedError, InternalError, InvalidRequestError } from "./errors.ts";

/** Statuses of errors whose class does not tell, by code. */
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  BODY_TOO_LARGE: 413,
  MESSAGE_TOO_LARGE: 413,
  CONTENT_TYPE_REFUSED: 415,
  QUEUE_FULL: 429,
  SIGN_IN_LOCKED: 429,
  TOO_MANY_SIGN_INS: 429,
  PAGES_NOT_BUILT: 503,
};

/** The HTTP status of an error of ours. */
export function statusOf(error: SignalboxError): number {
  const known = STATUS_BY_CODE[error.code];
  if (known !== undefined) return known;
  if (error instanceof NotSignedInError) return 401;
  if (error instanceof ForbiddenError) return 403;
  if (error instanceof NotFoundError) return 404;
  if (error instanceof ConflictError) return 409;
  if (error instanceof InvalidInputError) return 400;
  return error.disposition === "terminal" ? 500 : 503;
}

/** What the caller is told. Never a stack; details only where the caller can do something about them. */
export function errorBody(error: SignalboxError): ErrorBody {
  const { code, message, details } = error;
  const told = statusOf(error) < 500 && Object.keys(details).length > 0;
  return { error: { code, message, ...(told ? { details } : {}) } };
}

/** Checks what came in. @throws InvalidRequestError naming every place that does not fit */
export function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const result = parsed(schema, value, what);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => ({
    path: issue.path.map(String).join("."),
    message: issue.message,
  }));
  const first = issues[0];
  const where = first === undefined || first.path === "" ? "" : ` at "${first.path}"`;
  throw new InvalidRequestError(
    `The ${what} does not fit${where}: ${first?.message.replace(/\.$/, "") ?? "it is not valid"}. See details.issues.`,
    {
      details: { issues: issues satisfies JsonValue },
    },
  );
}

function parsed<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.ZodSafeParseResult<z.output<Schema>> {
  try {
    return schema.safeParse(value);
  } catch (error) {
    // Zod goes down into a value call by call: what is too deep for it is the sender's mistake.
    if (!(error instanceof RangeError)) throw error;
    throw new InvalidRequestError(`The ${what} is nested too deeply. Send less deeply nested JSON.`, { cause: error });
  }
}

/** Anything thrown, as an error of ours. What nobody foresaw becomes {@link InternalError}. */
export function toSignalboxError(thrown: unknown, requestId: string): SignalboxError {
  if (thrown instanceof SignalboxError) return thrown;
  // Fastify's own errors, and those of the library that serves files.
  if (thrown instanceof Error && "statusCode" in thrown) {
    switch (thrown.statusCode) {
      case 403:
      case 404:
        return new NotFoundError("There is nothing at this address. Check it.");
      case 413:
        return new BodyTooLargeError("The request's body is larger than this route takes. Send less.");
      case 415:
        return new ContentTypeRefusedError(
          "The request's body must be JSON, with the header content-type: application/json.",
        );
      case 400:
        return new InvalidRequestError("The request is not well-formed. Check that its body is valid JSON.");
      default:
    }
  }
  return new InternalError(
    `Something went wrong in the console's server. Its log says what, under the request id ${requestId}.`,
  );
}

/** Answers an error, and logs it if it is the server's fault. */
export function answerError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = toSignalboxError(thrown, request.id);
  const status = statusOf(error);
  if (status >= 500) request.log.error({ err: thrown, code: error.code }, "request failed");
  if (status === 401) reply.header("www-authenticate", 'Bearer realm="signalbox"');
  const { retryAfterS } = error.details;
  if (status === 429 && typeof retryAfterS === "number") reply.header("retry-after", String(retryAfterS));
  return reply.code(status).type("application/json; charset=utf-8").send(errorBody(error));
}
