import fc from "fast-check";
import { expect, test } from "vitest";
import { nodeCheck } from "../../../runtime/stack/doctor.ts";
import { findVersion, isAtLeast } from "../../../runtime/stack/versions.ts";

test.each([
  ["postgres (PostgreSQL) 17.5 (Debian 17.5-1.pgdg120+1)", "17.5"],
  ["nats-server: v2.10.27", "2.10.27"],
  ["v20.19.4", "20.19.4"],
  ["postgres (PostgreSQL) 18beta1", "18"],
  ["nothing", undefined],
])("a version - is found in %j", (text, version) => {
  expect(findVersion(text)).toBe(version);
});

test("versions - are compared number by number, not letter by letter", () => {
  expect(isAtLeast("2.10.0", "2.9.10")).toBe(true);
  expect(isAtLeast("2.9.10", "2.10")).toBe(false);
  expect(isAtLeast("15", "15")).toBe(true);
  expect(isAtLeast("15.18", "15")).toBe(true);
  expect(isAtLeast("0.4.4", "0.5")).toBe(false);
});

test("versions - are in one order: of two, at least one is at least the other, and both only if equal", () => {
  const version = fc.array(fc.nat(30), { minLength: 3, maxLength: 3 }).map((parts) => parts.join("."));
  fc.assert(
    fc.property(version, version, (a, b) => {
      expect(isAtLeast(a, b) && isAtLeast(b, a)).toBe(a === b);
      expect(isAtLeast(a, b) || isAtLeast(b, a)).toBe(true);
    }),
  );
});

test("doctor - says which Node to install on one that is too old", () => {
  expect(nodeCheck("v18.20.0")).toMatchObject({ status: "fail", todo: "Install Node 20.19 or newer." });
  expect(nodeCheck("v20.19.0").status).toBe("ok");
  expect(nodeCheck("v26.0.0").status).toBe("ok");
});
