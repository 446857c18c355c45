/** Prints what was thrown as one line of JSON: what a test that started this process looks at. */
export function tellFailure(error: unknown): void {
  const code = error instanceof Error && "code" in error ? error.code : null;
  console.log(JSON.stringify({ code, message: error instanceof Error ? error.message : String(error) }));
}
