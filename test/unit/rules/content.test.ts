import { describe, expect, test } from "vitest";
import { z } from "zod";
import { canonicalJson, sha256 } from "../../../runtime/core/canonical.ts";
import type { JsonObject } from "../../../runtime/core/json.ts";
import type { RuledAgent, RuleSetSource } from "../../../runtime/core/judge.ts";
import {
  compileRuleSet,
  readRuleSet,
  RulesInvalidError,
  RuleSetUnreadableError,
  restoreRuleSet,
} from "../../../runtime/rules/index.ts";
import { compile, LOOKUP, PERMIT, REFUND, refundCall, refunds, sourceOf, tool } from "./support.ts";

const head = `(principal, action == Action::"payments.refund", resource)`;
const TEXT = `${PERMIT}
  @id("four-eyes") @effect("require_approval") @pool("finance") @reason("Größer als 500 €.")
  forbid ${head} when { context.input.amountCents > 50000 } unless { context.approval.satisfied };`;

describe("the recorded form of a rule set", () => {
  test("hashes to the rule set's hash, which every verdict names", () => {
    const rules = compile(TEXT);
    expect(rules.hash).toBe(sha256(canonicalJson(rules.content)));
    expect(rules.ruleSet).toBe(rules.hash);
    expect(rules.judge(refundCall()).ruleSet).toBe(rules.hash);
  });

  test("gives the same judge again, from its text alone", () => {
    const source: RuleSetSource = {
      agents: [refunds(TEXT), { name: "b", team: undefined, actions: [LOOKUP], rules: undefined }],
      shared: [
        {
          path: "/home/x/shared.cedar",
          text: `@id("s") @reason("No.") forbid ${head} when { context.input has note };`,
        },
      ],
    };
    const rules = compileRuleSet(source);
    const restored = restoreRuleSet(JSON.parse(canonicalJson(rules.content)));
    expect(restored.hash).toBe(rules.hash);
    expect(restored.content).toEqual(rules.content);
    for (const input of [{}, { amountCents: 60_000 }, { note: "x" }, { rate: 1.5 }, { orderId: 5 }]) {
      expect(restored.judge(refundCall(input))).toEqual(rules.judge(refundCall(input)));
    }
    expect(restored.judge(refundCall({}, { agent: "b" }))).toEqual(rules.judge(refundCall({}, { agent: "b" })));
  });

  test("does not depend on the machine, on the order of agents, or on what rules cannot see", () => {
    const described = tool(
      "orders.lookup",
      z.object({ orderId: z.string().max(50).describe("The order's number.") }).describe("Finds an order."),
    );
    const other: RuledAgent = { name: "b", team: undefined, actions: [LOOKUP], rules: undefined };
    const here = compileRuleSet({ agents: [refunds(TEXT), other], shared: [] });
    const there = compileRuleSet({
      agents: [
        { ...other, actions: [described] },
        { ...refunds(TEXT, [LOOKUP, REFUND]), rules: { path: "/srv/app/rules.cedar", text: TEXT } },
      ],
      shared: [],
    });
    expect(there.hash).toBe(here.hash);
  });

  test.each<[string, RuleSetSource]>([
    ["a rule", sourceOf(TEXT.replace("50000", "50001"))],
    ["a reason", sourceOf(TEXT.replace("500 €", "500€"))],
    ["a tool's input", sourceOf(TEXT, [LOOKUP, tool("payments.refund", z.object({ amountCents: z.int() }))])],
    ["an agent's tools", sourceOf(TEXT, [REFUND])],
    ["an agent's team", { agents: [{ ...refunds(TEXT), team: "desk" }], shared: [] }],
    ["whose calls a file judges", { agents: [refunds(undefined)], shared: [{ path: "rules.cedar", text: TEXT }] }],
  ])("changes with %s", (_, source) => {
    expect(compileRuleSet(source).hash).not.toBe(compile(TEXT).hash);
  });

  test("whose types were checked when it was put on record - is refused for all else that is wrong", () => {
    const mistyped = readRuleSet(
      sourceOf(`${PERMIT} @id("r") @reason("No.") forbid ${head} when { context.input.amonut > 5 };`),
    );
    expect(() => mistyped.compile()).toThrow(RulesInvalidError);
    const judge = mistyped.compile(true);
    expect(judge.hash).toBe(mistyped.hash);
    // Where it could be there after all, a call that it cannot judge is not made.
    expect(judge.judge(refundCall()).decision).toBe("deny");
    expect(() => readRuleSet(sourceOf(`${PERMIT} forbid ${head};`)).compile(true)).toThrow(RulesInvalidError);
    expect(() => readRuleSet(sourceOf("permit (")).compile(true)).toThrow(RulesInvalidError);
  });

  test("that was altered or is not known is refused", () => {
    const { content } = compile(TEXT);
    for (const altered of [
      undefined,
      {},
      { ...content, format: 2 },
      { ...content, more: 1 },
      { ...content, agents: [{ name: "x" }] },
    ] as (JsonObject | undefined)[]) {
      expect(() => restoreRuleSet(altered)).toThrow(RuleSetUnreadableError);
    }
    const broken = JSON.parse(JSON.stringify(content).replace("amountCents >", "amonutCents >")) as JsonObject;
    expect(() => restoreRuleSet(broken)).toThrow(RulesInvalidError);
  });

  test("keeps a file that several agents share once", () => {
    const file = { path: "agents/desk/rules.cedar", text: PERMIT };
    const agent = (name: string): RuledAgent => ({ name, team: undefined, actions: [REFUND], rules: { ...file } });
    const rules = compileRuleSet({ agents: [agent("b"), agent("a")], shared: [] });
    expect(rules.content["files"]).toEqual([{ name: "rules.cedar", text: PERMIT, agents: ["a", "b"] }]);
    expect(restoreRuleSet(rules.content).judge(refundCall({}, { agent: "b" })).decision).toBe("allow");
  });
});
