import { describe, expect, test } from "vitest";
import { toErrorRecord } from "../../../runtime/core/errors.ts";
import { encode } from "../../../runtime/engine/codec.ts";
import { UnrecordableValueError } from "../../../runtime/engine/errors.ts";

describe("what is thrown and is no Error", () => {
  test.each([
    [
      { code: 7, message: "UNAVAILABLE: no connection" },
      { name: "Error", message: "UNAVAILABLE: no connection", code: "7" },
    ],
    [
      { name: "ServiceException", message: "slow down", code: "Throttled" },
      { name: "ServiceException", message: "slow down", code: "Throttled" },
    ],
    [
      { status: 503, token: "secret" },
      { name: "Error", message: "A value that is not an Error was thrown: an object with status, token." },
    ],
    [{}, { name: "Error", message: "A value that is not an Error was thrown: an object with no fields." }],
    [42, { name: "Error", message: "A value that is not an Error was thrown: 42." }],
    [undefined, { name: "Error", message: "A value that is not an Error was thrown: undefined." }],
    [Symbol("odd"), { name: "Error", message: "A value that is not an Error was thrown: Symbol(odd)." }],
    ["text", { name: "Error", message: "text" }],
  ])("%o - is recorded with what it says of itself, and nothing else of it", (thrown, record) => {
    expect(toErrorRecord(thrown)).toEqual(record);
  });
});

describe("a value that is nested too deeply", () => {
  test("is refused as one that cannot be recorded, and not as a full stack", () => {
    let value: unknown = 1;
    for (let depth = 0; depth < 100_000; depth++) value = [value];
    expect(() => encode(value)).toThrow(UnrecordableValueError);
    expect(() => encode(value)).toThrow(/nested too deeply/);
  });
});
