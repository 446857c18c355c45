import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where a Chromium is on this machine; `CHROMIUM` names another place. */
export function findChromium(): string | undefined {
  const named = process.env["CHROMIUM"];
  return named ?? PLACES.find((path) => existsSync(path));
}

/**
 * Whether browser tests are left out here, because there is no Chromium. Says so once. In CI that is an
 * error: a test that never runs there protects nothing.
 */
export function withoutBrowser(): boolean {
  if (findChromium() !== undefined) return false;
  const message =
    "No Chromium found, so the browser tests cannot run. Install it (apt-get install chromium), or set CHROMIUM.";
  if (process.env["CI"] !== undefined && process.env["CI"] !== "") throw new Error(message);
  console.warn(`SKIPPED: ${message}`);
  return true;
}

export function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("There is no Chromium. Ask withoutBrowser() first.");
  return chromium.launch({
    executablePath,
    args: [
      // Its own sandbox does not work as root, which containers usually are.
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
