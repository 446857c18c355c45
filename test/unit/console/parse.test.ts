import { expect, test } from "vitest";
import { parse } from "../../../console/server/answers.ts";
import { resolveDoubtBody, startRunBody } from "../../../runtime/core/protocol.ts";

test("a body that is nested too deeply - is the sender's mistake and not the server's", () => {
  let input: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) input = [input];
  const deep = () => parse(startRunBody, { agent: "billing", input }, "request");
  expect(deep).toThrow(expect.objectContaining({ code: "INVALID_REQUEST" }));
  expect(deep).toThrow(/nested too deeply/);
});

test("a reason that is a sentence - is followed by one full stop", () => {
  const body = { run: "6c6742e2-cf77-4463-a2e0-54dbebda620b", effect: "e", resolution: "happened", reason: "r" };
  expect(() => parse(resolveDoubtBody, body, "resolution")).toThrow(/with which result it happened\. See/);
});
