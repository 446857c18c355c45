import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HostRefusedError, OriginRefusedError } from "../../../console/server/errors.ts";
import {
  allowedHosts,
  assertHost,
  assertNotCrossSite,
  assertOrigin,
  isLoopback,
} from "../../../console/server/origin.ts";

describe("allowed hosts", () => {
  test("host - loopback by every name, the bound address and the named hosts, each with the port", () => {
    expect([...allowedHosts("127.0.0.1", 4400, ["Signalbox.Example.com"])]).toEqual(
      expect.arrayContaining(["127.0.0.1:4400", "localhost:4400", "[::1]:4400", "signalbox.example.com"]),
    );
    expect(allowedHosts("10.0.0.5", 4400, [])).toContain("10.0.0.5:4400");
    expect(allowedHosts("fd00::5", 4400, [])).toContain("[fd00::5]:4400");
    expect(allowedHosts("127.0.0.1", 80, [])).toContain("localhost");
    for (const wildcard of ["0.0.0.0", "::"]) {
      expect(
        [...allowedHosts(wildcard, 4400, [])].some((host) => host.includes(wildcard === "::" ? "[::]" : wildcard)),
      ).toBe(false);
    }
  });

  test("host - nothing that merely looks like an allowed one is let in", () => {
    const allowed = allowedHosts("127.0.0.1", 4400, []);
    const near = fc.oneof(
      fc.domain(),
      fc.string(),
      fc.tuple(fc.constantFrom(...allowed), fc.string({ minLength: 1 })).map(([host, more]) => host + more),
      fc.tuple(fc.string({ minLength: 1 }), fc.constantFrom(...allowed)).map(([more, host]) => more + host),
    );
    fc.assert(
      fc.property(near, (host) => {
        fc.pre(!allowed.has(host.toLowerCase()));
        expect(() => assertHost({ host }, allowed)).toThrow(HostRefusedError);
      }),
    );
    expect(() => assertHost({}, allowed)).toThrow(HostRefusedError);
  });
});

describe("origin", () => {
  const host = "127.0.0.1:4400";

  test("origin - is that of the request itself, or absent where that is allowed", () => {
    assertOrigin({ host, origin: `http://${host}` }, { required: true });
    assertOrigin({ host: "a.example", origin: "https://a.example" }, { required: true });
    assertOrigin({ host }, { required: false });
    expect(() => assertOrigin({ host }, { required: true })).toThrow(OriginRefusedError);
  });

  test("origin - every other one is refused", () => {
    const other = fc.oneof(
      fc.domain().map((domain) => `https://${domain}`),
      fc.string(),
      fc.constantFrom("null", `ftp://${host}`, `http://${host}/`, `HTTP://${host}`),
    );
    fc.assert(
      fc.property(other, fc.boolean(), (origin, required) => {
        fc.pre(origin !== `http://${host}` && origin !== `https://${host}`);
        expect(() => assertOrigin({ host, origin }, { required })).toThrow(OriginRefusedError);
      }),
    );
  });

  test.each(["cross-site", "same-site", "anything new"])("origin - sec-fetch-site: %s is refused", (site) => {
    expect(() => assertNotCrossSite({ "sec-fetch-site": site })).toThrow(OriginRefusedError);
  });
});

test.each([
  ["127.0.0.1", true],
  ["127.1.2.3", true],
  ["localhost", true],
  ["::1", true],
  ["0.0.0.0", false],
  ["::", false],
  ["192.168.1.5", false],
  ["127.0.0.1.evil.example", false],
])("loopback - %s: %s", (host, is) => {
  expect(isLoopback(host)).toBe(is);
});
