/**
 * The console's server in a process of its own, as `signalbox console` has it. It says where it listens, and on each
 * message how much memory it has.
 */
import { pino } from "pino";
import type { NatsAccess } from "../../../runtime/core/stack.ts";
import { startConsole } from "../../../runtime/platform/console-process.ts";
import config from "../../../signalbox.config.ts";

export interface ConsoleOrder {
  readonly databaseUrl: string;
  readonly nats: NatsAccess;
}
export type ConsoleAnswer =
  { readonly kind: "listens"; readonly url: string } | { readonly kind: "memory"; readonly rssMb: number };

function answer(message: ConsoleAnswer): void {
  process.send?.(message);
}

process.once("message", (order: ConsoleOrder) => {
  void startConsole({ ...order, config, log: pino({ level: "warn" }), port: 0 }).then(({ url }) => {
    process.on("message", () => {
      answer({ kind: "memory", rssMb: Math.round(process.memoryUsage.rss() / 1_000_000) });
    });
    answer({ kind: "listens", url });
  });
});
process.on("disconnect", () => process.exit(0));
