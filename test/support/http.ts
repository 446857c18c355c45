import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import type { ErrorBody } from "../../runtime/core/protocol.ts";

/** An answer, read whole. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON. Throws if it is not. */
  json(): unknown;
}

export interface HttpAsk {
  readonly method?: string;
  /** Sent as they are, `host` and `origin` included, which `fetch` would not do. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A string goes as it is; anything else as JSON. */
  readonly body?: unknown;
}

/** Makes one HTTP request on a connection of its own. */
export function ask(url: string, options: HttpAsk = {}): Promise<HttpAnswer> {
  const { body } = options;
  const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      url,
      {
        method: options.method ?? "GET",
        agent: false,
        headers: {
          ...(payload === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }),
          ...options.headers,
        },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text,
            json: () => JSON.parse(text) as unknown,
          });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(payload);
  });
}

/** The code of an answer that is an error. */
export function codeOf(answer: HttpAnswer): string {
  return (answer.json() as ErrorBody).error.code;
}
