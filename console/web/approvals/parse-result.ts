import type { ResolveDoubt } from "../client/requests.ts";

type Result = NonNullable<ResolveDoubt["result"]> | null;

/** Reads what a person typed as a call's result; or says what is wrong with it. */
export function parseResult(text: string): { readonly value: Result } | { readonly problem: string } {
  if (text.trim() === "") return { problem: "Give the result that it happened with, as JSON." };
  try {
    return { value: JSON.parse(text) as Result };
  } catch (error) {
    return { problem: `The result is not JSON: ${error instanceof Error ? error.message : "it cannot be read"}` };
  }
}
