import { availableParallelism, totalmem } from "node:os";

/** What figures were measured on, in words. @param settings those of the servers */
export function machineOf(settings: Readonly<Record<string, string>>): string {
  const [version = "?"] = (settings["postgres"] ?? "?").split(" ");
  return [
    `${String(availableParallelism())} vCPU, ${String(Math.round(totalmem() / 1e9))} GB of memory`,
    `Node ${process.version.slice(1)}`,
    `PostgreSQL ${version} with fsync ${settings["fsync"] ?? "?"}`,
    `nats-server ${settings["nats"] ?? "?"}`,
    `load before it ${settings["load"] ?? "?"}`,
  ].join(", ");
}
