/** A project with the long agent, for a worker of its own that tells whoever started it when the waiting node runs. */
import { defineConfig } from "signalbox";
import { longAgent, RUNS_AGAIN } from "./long-run.ts";

const supersteps = Number(process.env["LONG_SUPERSTEPS"]);

export default defineConfig({
  agents: [
    longAgent(supersteps, ({ step }) => {
      // Without a snapshot, all nodes before run again.
      if (step === supersteps) process.send?.(RUNS_AGAIN);
    }),
  ],
  rules: [new URL("./permit-all.cedar", import.meta.url)],
});
