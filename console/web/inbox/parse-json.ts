import type { JsonValue } from "../../../runtime/core/json.ts";

/** What a person typed, read as JSON; or what is wrong with it. `what` begins the sentence: "The result". */
export function parseJson(text: string, what: string): { readonly value: JsonValue } | { readonly problem: string } {
  try {
    return { value: JSON.parse(text) as JsonValue };
  } catch (error) {
    return { problem: `${what} is not JSON: ${error instanceof Error ? error.message : "it cannot be read"}` };
  }
}
