/** Mastra: a workflow of five steps, in the database that `DATABASE_URL` names. */
import { Mastra } from "@mastra/core";
import { createStep, createWorkflow } from "@mastra/core/workflows";
import { PostgresStore } from "@mastra/pg";
import { z } from "zod";
import { serve, versionsOf } from "../engine/serve.ts";
import { APPENDED, look, nextCall, STEPS } from "../engine/work.ts";

const Log = z.object({ log: z.array(z.string()) });
let made = createWorkflow({ id: "bench", inputSchema: Log, outputSchema: Log });
for (const step of STEPS) {
  made = made.then(
    createStep({
      id: step,
      inputSchema: Log,
      outputSchema: Log,
      execute: async ({ inputData: { log } }) => {
        await look(nextCall(step));
        return { log: [...log, APPENDED] };
      },
    }),
  );
}
made.commit();
const storage = new PostgresStore({ id: "bench", connectionString: process.env.DATABASE_URL });
const mastra = new Mastra({ workflows: { bench: made }, storage, logger: false });
await storage.init();
const workflow = mastra.getWorkflow("bench");

serve({
  versions: await versionsOf(import.meta.url, "@mastra/core", "@mastra/pg"),
  async run() {
    const run = await workflow.createRun();
    const { status, result } = await run.start({ inputData: { log: [] } });
    if (status !== "success" || result.log.length !== STEPS.length) throw new Error(`The run is ${status}.`);
  },
});
