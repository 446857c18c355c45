/** A project with the long agent, for a worker of its own that tells whoever started it when a node runs. */
import { defineConfig } from "signalbox";
import { longAgent } from "./long-run.ts";

const supersteps = Number(process.env["LONG_SUPERSTEPS"]);

export default defineConfig({
  agents: [longAgent(supersteps, () => process.send?.("a node runs"))],
  rules: [new URL("./permit-all.cedar", import.meta.url)],
});
