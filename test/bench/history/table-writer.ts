import type { Sql } from "../../../runtime/core/database.ts";

/** What pg turns into the element of an array parameter. */
type Value = string | number | bigint | boolean | Date | Buffer | null;

/** Inserts many rows with few statements: each column is one array parameter. */
export class TableWriter {
  readonly #sql: Sql;
  readonly #statement: string;
  readonly #rowsAtOnce: number;
  #columns: Value[][];
  /** The statement under way: the next rows are made while Postgres takes these. */
  #under: Promise<unknown> = Promise.resolve();

  /** @param columns their names and Postgres types */
  constructor(sql: Sql, table: string, columns: Readonly<Record<string, string>>, rowsAtOnce = 2_000) {
    this.#sql = sql;
    const types = Object.values(columns).map((type, i) => `$${String(i + 1)}::${type}[]`);
    this.#statement = `insert into ${table} (${Object.keys(columns).join(", ")}) select * from unnest(${types.join(", ")})`;
    this.#rowsAtOnce = rowsAtOnce;
    this.#columns = types.map(() => []);
  }

  /** @param values in the order of the columns */
  add(...values: readonly Value[]): void {
    for (const [i, column] of this.#columns.entries()) column.push(values[i] ?? null);
  }

  /** Writes what has gathered, once it is worth a statement. */
  async relieve(): Promise<void> {
    if ((this.#columns[0]?.length ?? 0) >= this.#rowsAtOnce) await this.#write();
  }

  async end(): Promise<void> {
    if ((this.#columns[0]?.length ?? 0) > 0) await this.#write();
    await this.#under;
  }

  async #write(): Promise<void> {
    const rows = this.#columns;
    this.#columns = rows.map(() => []);
    await this.#under;
    this.#under = this.#sql.query(this.#statement, rows);
    // Whoever waits for it next hears of it.
    this.#under.catch(() => undefined);
  }
}
