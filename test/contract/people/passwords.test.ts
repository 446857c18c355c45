import { parseOptions } from "@node-rs/argon2";
import { expect, test } from "vitest";
import { ARGON2_COST, DECOY_HASH, hashPassword, verifyPassword } from "../../../runtime/people/passwords.ts";

test("password - the decoy costs what a real hash costs, so answers take equally long", async () => {
  const real = parseOptions(await hashPassword("correct horse battery"));
  expect(parseOptions(DECOY_HASH)).toEqual(real);
  expect(real).toMatchObject(ARGON2_COST);
});

test("password - without a stored hash every password is wrong, after the same work", async () => {
  const stored = await hashPassword("correct horse battery");
  expect(await verifyPassword(stored, "correct horse battery")).toBe(true);
  expect(await verifyPassword(stored, "correct horse batterx")).toBe(false);
  expect(await verifyPassword(null, "correct horse battery")).toBe(false);
});
