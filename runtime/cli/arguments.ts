import { InvalidArgumentError } from "commander";
import { InvalidInputError } from "../core/errors.ts";
import type { JsonValue } from "../core/json.ts";
import { brief } from "./output.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** An id as the lists print it. `listing` is the command that shows them. */
export function idOf(what: string, listing: string): (text: string) => string {
  return (text) => {
    const id = text.toLowerCase();
    if (UUID.test(id)) return id;
    throw new InvalidArgumentError(`That is not the id of ${what}. "npx signalbox ${listing}" shows them.`);
  };
}

export const SESSION_ID = idOf("a session", "sessions ls");

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError("It must be a whole number.");
  }
  return value;
}

/** @throws `InvalidInputError` if it is not JSON. */
export function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new InvalidInputError(`This is not JSON: ${brief(text, 60)}. ${error instanceof Error ? error.message : ""}`);
  }
}

export async function standardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
