/**
 * What is wrong with a part of a value, and where it is: the path grows on the way out, so that a value with nothing
 * wrong pays nothing for it.
 */
export class Unfit extends Error {
  /** To follow "is". */
  readonly what: string;
  /** A JSON pointer; empty for the value itself. */
  path = "";

  constructor(what: string) {
    super(what);
    this.what = what;
  }
}

/** @returns the error, which names its place in what holds the part at this key */
export function unfitAt(key: string | number, error: unknown): unknown {
  if (error instanceof Unfit) error.path = `/${String(key)}${error.path}`;
  return error;
}
