import { Agent, request } from "node:http";
import type { ListQuery } from "./lists.ts";

/** A console's server, as a script with a token sees it. */
export interface Api {
  readonly url: string;
  readonly token: string;
}

export interface Answer {
  readonly ms: number;
  readonly rows: number;
  /** The cursor of the page after it; null on the last one, and for lists that have one page. */
  readonly next: string | null;
}

const connections = new Agent({ keepAlive: true });

/** Asks for one page, and takes the time until its last byte is here. @throws Error for any answer but 200 */
export async function askPage(api: Api, query: ListQuery, after: string | null): Promise<Answer> {
  const path = new URL(query.route.slice("GET ".length), api.url);
  for (const [name, value] of Object.entries(query.filters)) path.searchParams.set(name, value);
  if (after !== null) path.searchParams.set("after", after);
  const { ms, text } = await get(api, path);
  const body = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const rows = Object.values(body).find((value) => Array.isArray(value));
  if (rows === undefined) throw new Error(`${query.route} gave no list: ${text.slice(0, 200)}`);
  return { ms, rows: (rows as unknown[]).length, next: typeof body["next"] === "string" ? body["next"] : null };
}

/** @returns the time until the last byte, and the text */
export function get(api: Api, url: URL): Promise<{ readonly ms: number; readonly text: string }> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { agent: connections, headers: { authorization: `Bearer ${api.token}` } },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          const ms = performance.now() - startedMs;
          const text = Buffer.concat(parts).toString("utf8");
          if (response.statusCode === 200) resolve({ ms, text });
          else reject(new Error(`${url.href}: ${String(response.statusCode)} ${text.slice(0, 300)}`));
        });
      },
    );
    asked.on("error", reject);
    asked.end();
  });
}

/** The cursors of the first, a middle and the last page, by following them from the first: fewer where there are fewer. */
export async function pagesOf(
  api: Api,
  query: ListQuery,
): Promise<{ readonly page: string; readonly after: string | null }[]> {
  const cursors: (string | null)[] = [null];
  for (let next = (await askPage(api, query, null)).next; next !== null;) {
    cursors.push(next);
    ({ next } = await askPage(api, query, next));
  }
  const last = cursors.at(-1) ?? null;
  return [
    { page: "first", after: null },
    ...(cursors.length > 2 ? [{ page: "middle", after: cursors[cursors.length >> 1] ?? null }] : []),
    ...(cursors.length > 1 ? [{ page: "last", after: last }] : []),
  ];
}
