/** The link that a one-time code becomes. The page behind it posts the code, so that previews do not use it up. */
export function signInLink(consoleUrl: string, code: string): string {
  const link = new URL("/sign-in", consoleUrl);
  link.searchParams.set("code", code);
  return link.href;
}
