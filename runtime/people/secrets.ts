import { createHash, createHmac, randomBytes } from "node:crypto";

/** Tokens begin with this, so that scanners for leaked secrets can be taught to find them. */
export const TOKEN_PREFIX = "signalbox_";

/** A secret that nobody can guess: 32 random bytes as base64url. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/**
 * SHA-256 of a secret: what the database stores and looks up. A fast hash is enough here, because a
 * secret of 256 random bits cannot be found by trying; passwords are another matter.
 */
export function hashSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/**
 * The CSRF token that belongs to a sign-in. It follows from the cookie's secret, so nothing more has to
 * be stored, and the secret does not follow from it.
 */
export function csrfTokenOf(secret: string): string {
  return createHmac("sha256", secret).update("signalbox csrf token").digest("base64url");
}
