/** Restate: a handler of five steps; `RESTATE_INGRESS` and `RESTATE_ADMIN` name its server. */
// Its SDK wants a newer Node.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((a, b) => {
    [resolve, reject] = [a, b];
  });
  return { promise, resolve, reject };
};
const restate = await import("@restatedev/restate-sdk");
const { serve, versionsOf } = await import("../engine/serve.ts");
const { APPENDED, look, nextCall, STEPS } = await import("../engine/work.ts");

const { RESTATE_INGRESS: ingress, RESTATE_ADMIN: admin } = process.env;
// A server sends a service's calls to one deployment: each process is a service of its own.
const name = `bench${process.pid}`;
const service = restate.service({
  name,
  handlers: {
    run: async (context) => {
      let log = [];
      for (const step of STEPS) {
        log = await context.run(step, async () => {
          await look(nextCall(step));
          return [...log, APPENDED];
        });
      }
      return log;
    },
  },
});
const port = await restate.serve({ services: [service], port: 0 });
await post(`${admin}/deployments`, { uri: `http://127.0.0.1:${port}` });

serve({
  versions: await versionsOf(import.meta.url, "@restatedev/restate-sdk", "@restatedev/restate-server"),
  async run() {
    const log = await post(`${ingress}/${name}/run`, null);
    if (log.length !== STEPS.length) throw new Error(`The run has ${log.length} entries.`);
  },
});

async function post(url, body) {
  const response = await fetch(url, {
    method: "POST",
    ...(body === null ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
