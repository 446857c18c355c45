import { openConnection } from "../../runtime/journal/database.ts";

/** The same server, another database. */
export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/** Runs one statement on a connection of its own. */
export async function administer<Row extends object>(url: string, statement: string): Promise<Row[]> {
  const connection = await openConnection({ url, applicationName: "signalbox-tests" });
  try {
    return await connection.query<Row>(statement);
  } finally {
    await connection.end();
  }
}
