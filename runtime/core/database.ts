/** Runs SQL. `text` has `$n` parameters; give it a `name` to have it prepared once per connection. */
export interface Sql {
  query<Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>;
}

/** A row in Postgres's binary form: its columns are read one after the other, each once, before the next row comes. */
export interface BinaryRow {
  /** Of a `smallint`, an `int` and a `bigint` below 2^53. */
  int16(): number;
  int32(): number;
  int64(): number;
  text(): string;
  /** Of a `bytea`, or of a `text` as UTF-8. They are somebody else's once the next row comes. */
  bytes(): Uint8Array | null;
  /** Of a `bytea`: lower-case hex. */
  hex(): string | null;
}

/** The connection that a transaction has. */
export interface Transaction extends Sql {
  /**
   * Hands over the rows of a query one by one, as they come: no more than one is held, and Postgres makes the next ones
   * meanwhile.
   *
   * @param select a query without parameters
   * @throws what `take` throws, once all rows have come
   */
  forEach(select: string, take: (row: BinaryRow) => void): Promise<void>;
}

/** A pool of Postgres connections. `bigint` columns come back as numbers, `timestamptz` as `Date`. */
export interface Database extends Sql {
  /** Runs `work` in one transaction: committed if it resolves, rolled back if it throws. */
  transaction<T>(work: (sql: Transaction) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}
