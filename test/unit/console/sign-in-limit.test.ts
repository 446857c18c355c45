import { expect, test } from "vitest";
import { TooManySignInsError } from "../../../console/server/errors.ts";
import { SignInLimiter } from "../../../console/server/sign-in-limit.ts";

function limiter() {
  let now = 0;
  const clock = { now: () => now, monotonicMs: () => now };
  return {
    limit: new SignInLimiter(clock, { perName: 3, perAddress: 5 }),
    pass: (ms: number) => {
      now += ms;
    },
  };
}

test("sign-in limit - one name from one address, however it is spelt", () => {
  const { limit, pass } = limiter();
  for (const name of ["ada", " Ada", "ADA "]) limit.count("10.0.0.1", name);
  expect(() => limit.count("10.0.0.1", "ada")).toThrow(TooManySignInsError);
  limit.count("10.0.0.2", "ada");
  pass(59_999);
  expect(() => limit.count("10.0.0.1", "ada")).toThrow("Wait 1 s");
  pass(1);
  limit.count("10.0.0.1", "ada");
});

test("sign-in limit - one address with ever new names", () => {
  const { limit } = limiter();
  for (let i = 0; i < 5; i++) limit.count("10.0.0.1", `name-${String(i)}`);
  expect(() => limit.count("10.0.0.1", "name-6")).toThrow(TooManySignInsError);
  limit.count("10.0.0.2", "name-6");
});

test("sign-in limit - forgets windows that are over, so ever new addresses do not fill the memory", () => {
  const { limit, pass } = limiter();
  for (let i = 0; i < 6000; i++) limit.count(`address-${String(i)}`, "ada");
  expect(limit.size).toBe(12_000);
  pass(60_000);
  limit.count("another", "ada");
  expect(limit.size).toBe(2);
});
