import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { natsConfig } from "../../runtime/stack/nats.ts";

// No Docker engine runs in our tests: these check the files as far as a parser can.

const serviceSchema = z.object({
  image: z.string(),
  build: z.string().optional(),
  command: z.array(z.string()),
  environment: z.record(z.string(), z.string()).optional(),
  ports: z.array(z.string()).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
});
const composeSchema = z.object({
  services: z.record(z.string(), serviceSchema),
  configs: z.object({ nats: z.object({ content: z.string() }) }),
});

async function readRoot(file: string): Promise<string> {
  return readFile(new URL(`../../${file}`, import.meta.url), "utf8");
}

async function readCompose(): Promise<{
  text: string;
  services: Record<string, z.infer<typeof serviceSchema>>;
  nats: string;
}> {
  const text = await readRoot("docker-compose.yml");
  const parsed = composeSchema.parse(parse(text, { merge: true }));
  return { text, services: parsed.services, nats: parsed.configs.nats.content };
}

test("docker-compose.yml - has the five services on the images that it should", async () => {
  const { services } = await readCompose();
  expect(Object.keys(services).sort()).toEqual(["console", "migrate", "nats", "postgres", "worker"]);
  expect(services["postgres"]?.image).toBe("pgvector/pgvector:pg17");
  expect(services["nats"]?.image).toBe("nats:2.10");
  expect(services["nats"]?.command).toContain("-js");
  for (const name of ["console", "migrate", "worker"]) expect(services[name]?.build).toBe(".");
});

test("docker-compose.yml - publishes the console on loopback and nothing else at all", async () => {
  const { services } = await readCompose();
  const published = Object.entries(services).flatMap(([name, { ports }]) => (ports ?? []).map((port) => [name, port]));
  expect(published).toEqual([["console", "127.0.0.1:4400:4400"]]);
  expect(services["console"]?.command).toEqual(["console", "--host", "0.0.0.0", "--port", "4400"]);
});

test("docker-compose.yml - starts console and worker after healthy servers and a finished migration", async () => {
  const { services } = await readCompose();
  expect(services["postgres"]?.healthcheck?.test).toContain("pg_isready");
  expect(services["console"]?.healthcheck?.test[1]).toBe("node");
  expect(services["migrate"]?.depends_on).toEqual({ postgres: { condition: "service_healthy" } });
  for (const name of ["console", "worker"]) {
    expect(services[name]?.depends_on).toEqual({
      postgres: { condition: "service_healthy" },
      nats: { condition: "service_started" },
      migrate: { condition: "service_completed_successfully" },
    });
  }
});

test("docker-compose.yml - holds no secret and refuses to start without one", async () => {
  const { text, services } = await readCompose();
  for (const name of ["POSTGRES_PASSWORD", "NATS_WORKER_PASSWORD", "NATS_CONSOLE_PASSWORD"]) {
    expect(text).toMatch(new RegExp(`\\$\\{${name}:\\?set ${name} in \\.env`));
  }
  for (const { environment = {} } of Object.values(services)) {
    for (const [name, value] of Object.entries(environment)) {
      if (/PASSWORD/.test(name)) expect(value).toMatch(/^\$\{/);
      if (/_URL$/.test(name)) expect(value).toMatch(/^\w+:\/\/\w+:\$\{\w+\}@/);
    }
  }
});

test("docker-compose.yml - gives NATS's users the same rights as the private server does", async () => {
  const { nats } = await readCompose();
  // `$$` is Compose's way to write a dollar sign.
  const composed: unknown = JSON.parse(nats.replace(/\$\{[^}]*\}/g, "secret").replaceAll("$$", "$"));
  const secrets = { natsWorker: "secret", natsConsole: "secret" };
  const own = JSON.parse(natsConfig({ port: 1, serverName: "x", dataFolder: "/x", secrets })) as object;
  expect(own).toMatchObject(composed as object);
});

test("Dockerfile - builds on Node 20 from the lock file and does not run as root", async () => {
  const lines = (await readRoot("Dockerfile")).split("\n");
  const images = lines.filter((line) => line.startsWith("FROM ")).map((line) => line.split(" ")[1]);
  expect(new Set(images)).toEqual(new Set(["node:20-slim"]));
  expect(lines.some((line) => line.startsWith("RUN npm ci"))).toBe(true);
  const last = lines.slice(lines.lastIndexOf("FROM node:20-slim"));
  expect(last).toContain("USER node");
  expect(last.find((line) => line.startsWith("ENTRYPOINT"))).toContain("dist/runtime/cli/main.js");
});
