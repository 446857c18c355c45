/** DBOS: a workflow of five steps, in the database that `DATABASE_URL` names. */
import { DBOS } from "@dbos-inc/dbos-sdk";
import { serve, versionsOf } from "../engine/serve.ts";
import { APPENDED, look, nextCall, STEPS } from "../engine/work.ts";

DBOS.setConfig({
  name: "bench",
  systemDatabaseUrl: process.env.DATABASE_URL,
  executorID: `bench-${process.pid}`,
  logLevel: "error",
  runAdminServer: false,
});

const workflow = DBOS.registerWorkflow(
  async () => {
    let log = [];
    for (const step of STEPS) {
      log = await DBOS.runStep(
        async () => {
          await look(nextCall(step));
          return [...log, APPENDED];
        },
        { name: step },
      );
    }
    return log;
  },
  { name: "bench" },
);
await DBOS.launch();

serve({
  versions: await versionsOf(import.meta.url, "@dbos-inc/dbos-sdk"),
  async run() {
    const log = await workflow();
    if (log.length !== STEPS.length) throw new Error(`The run has ${log.length} entries.`);
  },
  close: () => DBOS.shutdown(),
});
