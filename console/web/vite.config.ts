import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));
const server = process.env["SIGNALBOX_CONSOLE_URL"] ?? "http://127.0.0.1:4400";

/** Builds the console's pages. While developing, `/api` goes to a running console server. */
export default defineConfig({
  root,
  plugins: [react()],
  build: {
    outDir: fileURLToPath(new URL("../../dist/console/web", import.meta.url)),
    emptyOutDir: true,
    target: "es2023",
    // These know light-dark(), which the design tokens are made of.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // Nothing inlined: the content security policy allows neither inline scripts nor data URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  // The server answers its own origin only.
  server: { proxy: { "/api": { target: server, ws: true, changeOrigin: true, headers: { origin: server } } } },
});
