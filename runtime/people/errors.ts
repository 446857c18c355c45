import { ConflictError, InvalidInputError, NotSignedInError, SignalboxError } from "../core/errors.ts";

/** A user, pool or token cannot be called, or made, like this. */
export class InvalidUserError extends InvalidInputError {
  static override readonly code = "INVALID_USER";
}

/** A user of this name exists, or has existed: names are on the record and are not given twice. */
export class UserExistsError extends ConflictError {
  static override readonly code = "USER_EXISTS";
}

/** A user has an unrevoked token of this name. */
export class TokenExistsError extends ConflictError {
  static override readonly code = "TOKEN_EXISTS";
}

/** A new password is too short or too long. */
export class PasswordRefusedError extends InvalidInputError {
  static override readonly code = "PASSWORD_REFUSED";
}

/** The name or the password is wrong, or the user is disabled or has no password: which, is not told. */
export class SignInFailedError extends NotSignedInError {
  static override readonly code = "SIGN_IN_FAILED";
}

/** The one-time sign-in link has been used, has expired, or never existed. */
export class SignInCodeRefusedError extends NotSignedInError {
  static override readonly code = "SIGN_IN_CODE_REFUSED";
}

/** Too many wrong passwords for this name: none is looked at until the lockout ends. */
export class SignInLockedError extends SignalboxError {
  static override readonly code = "SIGN_IN_LOCKED";
  static override readonly disposition = "wait";
}
