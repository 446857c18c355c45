/** Runs SQL. `text` has `$n` parameters; give it a `name` to have it prepared once per connection. */
export interface Sql {
  query<Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>;
}

/** A pool of Postgres connections. `bigint` columns come back as numbers, `timestamptz` as `Date`. */
export interface Database extends Sql {
  /** Runs `work` in one transaction: committed if it resolves, rolled back if it throws. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}
