import type { ErrorBody } from "../../../runtime/core/protocol.ts";

/** The server answered, and said no. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: ErrorBody["error"]["details"];

  constructor(status: number, body: ErrorBody["error"]) {
    super(body.message);
    this.name = "ApiError";
    this.status = status;
    this.code = body.code;
    this.details = body.details;
  }
}

/** The server could not be reached, or what answered was not the server. */
export class UnreachableError extends Error {
  constructor(cause: unknown) {
    super("The console's server cannot be reached.", { cause });
    this.name = "UnreachableError";
  }
}

export function isStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}
