import type pg from "pg";
import type { BinaryRow } from "../core/database.ts";
import { deferred } from "../core/deferred.ts";

/** The signature and the flags that the first message begins with; then comes how much else does. */
const FIXED_HEADER_BYTES = 15;
const INT16_BYTES = 2;
const INT32_BYTES = 4;
const INT64_BYTES = 8;
/** In the place of a number of columns: there is no row any more. In the place of a length: null. */
const NONE = -1;
const TWO_TO_32 = 0x1_0000_0000;

/**
 * One COPY in a client's queue of statements. It hands over the rows while they come: the socket is read on once `take`
 * has returned, so that Postgres is never further ahead than what lies between the two.
 *
 * Source: PostgreSQL's documentation, "COPY", "Binary Format"; each message has one row, the first one a header as well.
 */
export class CopyOut implements pg.Submittable {
  readonly #select: string;
  readonly #take: (row: BinaryRow) => void;
  readonly #row = new CopiedRow();
  readonly #ended = deferred<undefined>();
  #isFirst = true;
  #fault: { readonly error: unknown } | null = null;

  constructor(select: string, take: (row: BinaryRow) => void) {
    this.#select = select;
    this.#take = take;
  }

  /** Resolves once the connection is free again. Rejects with what the server says, or the connection. */
  get done(): Promise<unknown> {
    return this.#ended.promise;
  }

  /** What was thrown at a row, after which no other was handed over. */
  get fault(): { readonly error: unknown } | null {
    return this.#fault;
  }

  submit(connection: pg.Connection): void {
    connection.query(`copy (${this.#select}) to stdout (format binary)`);
  }

  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    // What is under way has to be read, or nobody could use the connection again.
    if (this.#fault) return;
    try {
      const isRow = this.#row.begin(chunk, this.#isFirst ? headerBytes(chunk) : 0);
      this.#isFirst = false;
      if (isRow) this.#take(this.#row);
    } catch (error) {
      this.#fault = { error };
    }
  }

  handleCommandComplete(): void {
    // The connection is not free yet.
  }

  handleReadyForQuery(): void {
    this.#ended.resolve(undefined);
  }

  handleError(error: unknown): void {
    this.#ended.reject(error);
  }
}

function headerBytes(chunk: Buffer): number {
  return FIXED_HEADER_BYTES + INT32_BYTES + chunk.readInt32BE(FIXED_HEADER_BYTES);
}

/** The row that is there now. */
class CopiedRow implements BinaryRow {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @returns false where there is no row, but the end of all rows */
  begin(bytes: Buffer, at: number): boolean {
    this.#bytes = bytes;
    this.#at = at + INT16_BYTES;
    return this.#at <= bytes.length && bytes.readInt16BE(at) !== NONE;
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#pass(INT16_BYTES));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#pass(INT32_BYTES));
  }

  int64(): number {
    const at = this.#pass(INT64_BYTES);
    return this.#bytes.readInt32BE(at) * TWO_TO_32 + this.#bytes.readUInt32BE(at + INT32_BYTES);
  }

  text(): string {
    return this.#bytes.toString("utf8", this.#pass(), this.#at);
  }

  bytes(): Uint8Array | null {
    return this.#isNull() ? null : this.#bytes.subarray(this.#pass(), this.#at);
  }

  hex(): string | null {
    return this.#isNull() ? null : this.#bytes.toString("hex", this.#pass(), this.#at);
  }

  #isNull(): boolean {
    if (this.#bytes.readInt32BE(this.#at) !== NONE) return false;
    this.#at += INT32_BYTES;
    return true;
  }

  /** Goes past the next column's value. @returns where it begins */
  #pass(expectedBytes?: number): number {
    const bytes = this.#bytes.readInt32BE(this.#at);
    if (bytes === NONE || bytes !== (expectedBytes ?? bytes)) {
      throw new TypeError(`A column of ${String(bytes)} bytes was read as one of ${String(expectedBytes)}.`);
    }
    const at = this.#at + INT32_BYTES;
    this.#at = at + bytes;
    return at;
  }
}
