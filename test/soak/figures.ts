import type { SoakAgent } from "./project.ts";

/** What a process of the soak says of itself. Sizes in bytes. */
export interface Figures {
  /** After a full collection. */
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly rss: number;
  /** What keeps the event loop alive, by kind, timers included. */
  readonly resources: number;
  readonly timers: number;
}

/** What a process of the soak is told by the one that started it: to say its {@link Figures}, or to start a run by itself. */
export type Order =
  { readonly kind: "figures" } | { readonly kind: "run"; readonly agent: SoakAgent; readonly id: string };

/** Collects all garbage, and looks at what is left. @throws where Node was started without `--expose-gc` */
async function figures(): Promise<Figures> {
  if (!gc) throw new Error("Node was started without --expose-gc.");
  gc();
  // What a finaliser lets go of is garbage only afterwards.
  await new Promise((resolve) => setImmediate(resolve));
  gc();
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo();
  const timers = resources.filter((kind) => kind === "Timeout").length;
  return { heapUsed, external, arrayBuffers, rss, resources: resources.length, timers };
}

/**
 * Tells the process that started this one that it is ready, and from then on what it asks.
 *
 * @param close drains, at a SIGTERM or when that process is gone
 * @param run starts a run
 */
export function serveSoak(close: () => Promise<void>, run: (agent: SoakAgent, id: string) => void): void {
  let closing = false;
  const end = (): void => {
    if (closing) return;
    closing = true;
    void close().then(() => process.exit(0));
  };
  process.on("SIGTERM", end);
  process.on("disconnect", end);
  process.on("message", (order: Order) => {
    if (order.kind === "run") run(order.agent, order.id);
    else void figures().then((answer) => process.send?.(answer));
  });
  process.send?.("ready");
}
