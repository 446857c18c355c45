// npm runs this after `npm install` and `npm ci` in the repository itself, and before `npm pack`. It never
// runs for someone who installs the package: the tarball holds `dist` already.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** `npm ci --omit=dev` installs no compiler; a production image brings its `dist` along instead. */
function compilerIsInstalled() {
  try {
    require.resolve("typescript");
    return true;
  } catch {
    return false;
  }
}

if (compilerIsInstalled()) {
  await import("./build.mjs");
} else {
  console.log("signalbox: development dependencies are not installed, so nothing is built.");
}
