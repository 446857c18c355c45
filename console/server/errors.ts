import { ConflictError, ForbiddenError, InvalidInputError, SignalboxError } from "../../runtime/core/errors.ts";

/** A request's body, query or path does not fit what the route takes; `details.issues` says where. */
export class InvalidRequestError extends InvalidInputError {
  static override readonly code = "INVALID_REQUEST";
}

/** A request's body is larger than the route takes. */
export class BodyTooLargeError extends SignalboxError {
  static override readonly code = "BODY_TOO_LARGE";
}

/** A request's body is not JSON. */
export class ContentTypeRefusedError extends SignalboxError {
  static override readonly code = "CONTENT_TYPE_REFUSED";
}

/** The Host header names a host that this console does not answer to: perhaps a rebound DNS name. */
export class HostRefusedError extends ForbiddenError {
  static override readonly code = "HOST_REFUSED";
}

/** The request was made by a page of another origin. */
export class OriginRefusedError extends ForbiddenError {
  static override readonly code = "ORIGIN_REFUSED";
}

/** A request that changes something came with a cookie but without the sign-in's CSRF token. */
export class CsrfRefusedError extends ForbiddenError {
  static override readonly code = "CSRF_REFUSED";
}

/** Sign-ins are tried too fast from one address. */
export class TooManySignInsError extends SignalboxError {
  static override readonly code = "TOO_MANY_SIGN_INS";
  static override readonly disposition = "retry";
}

/** What was asked for exists for sign-ins only, and the caller came with a token. */
export class NotASignInError extends ConflictError {
  static override readonly code = "NOT_A_SIGN_IN";
}

/** The server is closing and takes no new sockets. */
export class ShuttingDownError extends SignalboxError {
  static override readonly code = "SHUTTING_DOWN";
  static override readonly disposition = "retry";
}

/** The console's pages have not been built, so there is only the HTTP API. */
export class PagesNotBuiltError extends SignalboxError {
  static override readonly code = "PAGES_NOT_BUILT";
}

/** Something went wrong that this server did not foresee; its log has the details. */
export class InternalError extends SignalboxError {
  static override readonly code = "INTERNAL";
}

/** A route exists without a declaration of who may use it, or the other way round: a fault in the code. */
export class RouteUndeclaredError extends SignalboxError {
  static override readonly code = "ROUTE_UNDECLARED";
}

/** Another program listens on the port that the console was to use. */
export class PortInUseError extends SignalboxError {
  static override readonly code = "PORT_IN_USE";
}

/** The console cannot listen where it was told to. */
export class CannotListenError extends SignalboxError {
  static override readonly code = "CANNOT_LISTEN";
}
