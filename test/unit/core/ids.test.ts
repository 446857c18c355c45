import { expect, test } from "vitest";
import { timeOrderedId, timeOrderedIds } from "../../../runtime/core/ids.ts";

const RANDOM = "fedcba98-7654-4321-8fed-cba987654321";

test("an id in the order of time - is a UUID of version 7, of this millisecond and of what is random", () => {
  // Source: RFC 9562, appendix A.6, whose random bits are others.
  expect(timeOrderedId(0x017f22e279b0, RANDOM)).toBe("017f22e2-79b0-7321-8fed-cba987654321");
  expect(timeOrderedId(0, RANDOM)).toBe("00000000-0000-7321-8fed-cba987654321");
});

test("ids of later milliseconds - sort after those of earlier ones, whatever is random in them", () => {
  const times = [1, 0xffff, 0x10000, Date.UTC(2026, 0), Date.UTC(2026, 0) + 1, Date.UTC(9999, 0)];
  const ids = times.map((ms, i) => timeOrderedId(ms, i % 2 === 0 ? RANDOM : RANDOM.replaceAll(/[a-f]/g, "0")));
  expect(ids.toSorted()).toEqual(ids);
});

test("ids of one millisecond - are all different", () => {
  expect(new Set(Array.from({ length: 1_000 }, () => timeOrderedIds.next())).size).toBe(1_000);
});
