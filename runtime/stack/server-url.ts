import { errorCode } from "./error-code.ts";

/** The parts of a server's URL; undefined for a text that is none, or has parts that cannot be decoded. */
export function parseServerUrl(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  try {
    for (const part of [url.username, url.password, url.pathname]) decodeURIComponent(part);
    return url;
  } catch {
    // A "%" in a password that was not written as "%25".
    return undefined;
  }
}

/** The short reason in a connection error. Node hides it one level down when a name has several addresses. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error instanceof Error && error.message !== "") return error.message;
  return errorCode(error) ?? "the connection failed";
}
