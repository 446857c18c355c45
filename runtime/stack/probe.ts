import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** One step of a spoken protocol: what to say next after all that was heard so far, or the end. Undefined: go on listening. */
export type Turn<T> = { readonly say: string | Uint8Array } | { readonly done: T } | undefined;

export interface ProbeOptions<T> {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  /** Said as soon as the connection stands. */
  readonly hello?: Uint8Array;
  /** Called with all that was heard whenever that is more, and after each thing said. What it throws ends the conversation. */
  readonly hear: (heard: Buffer) => Turn<T>;
}

/** The server was reached, and hung up or kept silent before the conversation was over. */
export class UnexpectedSilence extends Error {}

/** Holds one short conversation over TCP. Rejects with the system's error, or {@link UnexpectedSilence}. */
export async function probe<T>(options: ProbeOptions<T>): Promise<T> {
  let socket: Socket | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      let heard: Buffer = Buffer.alloc(0);
      socket = connect({ host: options.host, port: options.port });
      socket.setTimeout(options.timeoutMs, () => {
        reject(new UnexpectedSilence(`no answer within ${String(options.timeoutMs)} ms`));
      });
      socket.on("error", reject);
      socket.on("end", () => {
        reject(new UnexpectedSilence("the connection was closed at once"));
      });
      socket.on("connect", () => options.hello && socket?.write(options.hello));
      socket.on("data", (chunk) => {
        heard = Buffer.concat([heard, chunk]);
        try {
          // After we have said something, what was heard already may be the answer.
          let turn = options.hear(heard);
          for (; turn && "say" in turn; turn = options.hear(heard)) socket?.write(turn.say);
          if (turn) resolve(turn.done);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  } finally {
    socket?.destroy();
  }
}

/** A port of this machine's loopback that nobody listens on now. */
export async function freePort(): Promise<number> {
  return listenBriefly(0);
}

/** Whether we could listen on this loopback port now. */
export async function isPortFree(port: number): Promise<boolean> {
  return listenBriefly(port).then(
    () => true,
    () => false,
  );
}

async function listenBriefly(port: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port, exclusive: true }, resolve);
  });
  const taken = (server.address() as AddressInfo).port;
  await new Promise((resolve) => server.close(resolve));
  return taken;
}
