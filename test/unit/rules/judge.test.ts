import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { ProposedCall, RuledAction, RuledAgent } from "../../../runtime/core/judge.ts";
import { verdictSchema } from "../../../runtime/core/verdict.ts";
import { compileRuleSet } from "../../../runtime/rules/index.ts";
import { compile, inputSchema, LOOKUP, PERMIT, REFUND, refundCall, refunds, tool } from "./support.ts";

const head = `(principal, action == Action::"payments.refund", resource)`;
const FOUR_EYES = `
  @id("four-eyes") @effect("require_approval") @approvers("2") @pool("finance") @ttl("PT4H")
  @reason("Refunds above $500 need two people from finance.")
  forbid ${head} when { context.input.amountCents > 50000 } unless { context.approval.satisfied };`;
const satisfied = { approval: { satisfied: true } };

describe("default deny", () => {
  test("with no rules at all everything is denied", () => {
    for (const text of [undefined, "", "// nothing yet"]) {
      const rules = compile(text);
      expect(rules.judge(refundCall())).toEqual({
        decision: "deny",
        rules: [],
        reason: "No rule permits refunds to call payments.refund.",
        ruleSet: rules.hash,
      });
    }
  });

  test("says what was wanted, for each kind of call", () => {
    const action = (kind: RuledAction["kind"], name: string): RuledAction => ({
      kind,
      name,
      input: inputSchema(z.object({})),
    });
    const rules = compile(PERMIT.replace("action,", `action == Action::"orders.lookup",`), [
      LOOKUP,
      action("ask", "agent.ask"),
      action("memory", "memory.recall"),
      action("memory", "memory.remember"),
      action("model", "model.chat"),
      action("human", "human.ask"),
    ]);
    const reason = (kind: RuledAction["kind"], name: string, resource: string): string =>
      rules.judge(refundCall({}, { kind, action: name, resource, input: {} })).reason;
    expect(reason("ask", "agent.ask", "assessor")).toBe("No rule permits refunds to ask assessor.");
    expect(reason("memory", "memory.recall", "claims")).toBe("No rule permits refunds to read from the memory claims.");
    expect(reason("memory", "memory.remember", "claims")).toBe(
      "No rule permits refunds to write to the memory claims.",
    );
    expect(reason("model", "model.chat", "default")).toBe("No rule permits refunds to use the model default.");
    expect(reason("human", "human.ask", "finance")).toBe("No rule permits refunds to ask the people of finance.");
  });

  test("a permit for other calls does not help", () => {
    const rules = compile(`@id("a") permit (principal, action == Action::"orders.lookup", resource);`);
    expect(rules.judge(refundCall()).decision).toBe("deny");
    expect(
      rules.judge(refundCall({}, { action: "orders.lookup", resource: "orders.lookup", input: { orderId: "x" } })),
    ).toEqual({
      decision: "allow",
      rules: [{ id: "a", effect: "permit" }],
      reason: 'The rule "a" permits it.',
      ruleSet: rules.hash,
    });
  });
});

describe("a permit reaches only what the agent declares", () => {
  const other: RuledAgent = { name: "other", team: "support", actions: [tool("a.b", z.object({}))], rules: undefined };
  const all = { path: "shared.cedar", text: PERMIT };
  const rules = compileRuleSet({ agents: [refunds(undefined), other], shared: [all] });

  test.each<[string, Partial<ProposedCall>]>([
    ["another agent's tool", { action: "a.b", resource: "a.b", input: {} }],
    ["a tool that does not exist", { action: "a.c", resource: "a.c", input: {} }],
    ["a tool under the name of another", { resource: "orders.lookup" }],
    ["a tool as another kind of call", { kind: "memory" }],
    ["an unknown agent", { agent: "stranger" }],
    ["a property of every object", { action: "constructor", resource: "constructor", input: {} }],
  ])("not %s", (_, over) => {
    const verdict = rules.judge(refundCall({}, over));
    expect(verdict).toMatchObject({ decision: "deny", rules: [], fault: "not_declared" });
    expect(verdict.reason).toMatch(/ does not declare that it may .+, so no rule can permit it\./);
  });

  test("nor an agent that it may not ask, however its input looks", () => {
    const ask = (resource: string, input: z.ZodType): RuledAction => ({
      kind: "ask",
      name: "agent.ask",
      resource,
      input: inputSchema(input),
    });
    const asking = compile(
      `${PERMIT}
       @id("small") @reason("Only small claims are assessed.")
       forbid (principal, action == Action::"agent.ask", resource == Agent::"assessor")
       when { context.input has amountCents && context.input.amountCents > 1000 };`,
      [
        ask("assessor", z.object({ claim: z.string(), amountCents: z.int() })),
        ask("fraud", z.object({ claim: z.string() })),
      ],
    );
    const verdict = (resource: string, input: ProposedCall["input"]): string =>
      asking.judge(refundCall({}, { kind: "ask", action: "agent.ask", resource, input })).decision;
    expect(verdict("assessor", { claim: "c", amountCents: 1000 })).toBe("allow");
    expect(verdict("assessor", { claim: "c", amountCents: 1001 })).toBe("deny");
    expect(verdict("fraud", { claim: "c" })).toBe("allow");
    expect(verdict("payout", { claim: "c" })).toBe("deny");
  });
});

describe("whose calls a file judges", () => {
  test("an agent's own rules judge nobody else's calls, shared rules everybody's", () => {
    const agent = (name: string, team: string | undefined, text: string): RuledAgent => ({
      name,
      team,
      actions: [REFUND],
      rules: { path: `${name}.cedar`, text },
    });
    const rules = compileRuleSet({
      agents: [
        agent("a", "desk", `@id("own-a") permit (principal, action, resource);`),
        agent("b", "desk", `@id("own-b") @reason("B never.") forbid (principal, action, resource);`),
        agent("c", undefined, ""),
      ],
      shared: [
        { path: "1.cedar", text: `@id("desk") permit (principal in Team::"desk", action, resource);` },
        {
          path: "2.cedar",
          text: `@id("big") @reason("Too much.") forbid ${head} when { context.input.amountCents > 9 };`,
        },
      ],
    });
    const verdict = (agentName: string, amountCents: number): string[] => {
      const { decision, rules: determining } = rules.judge(refundCall({ amountCents }, { agent: agentName }));
      return [decision, ...determining.map(({ id }) => id)];
    };
    expect(verdict("a", 5)).toEqual(["allow", "desk", "own-a"]);
    expect(verdict("b", 5)).toEqual(["deny", "own-b"]);
    expect(verdict("c", 5)).toEqual(["deny"]);
    expect(verdict("a", 10)).toEqual(["deny", "big"]);
    expect(verdict("b", 10)).toEqual(["deny", "big", "own-b"]);
  });

  test("rules can name who is asked, and its team", () => {
    const ask: RuledAction = { kind: "ask", name: "agent.ask", input: inputSchema(z.object({})) };
    const rules = compileRuleSet({
      agents: [
        { name: "a", team: "desk", actions: [ask], rules: undefined },
        { name: "b", team: "desk", actions: [], rules: undefined },
        { name: "c", team: "vault", actions: [], rules: undefined },
      ],
      shared: [
        { path: "s", text: `@id("x") permit (principal, action == Action::"agent.ask", resource in Team::"desk");` },
      ],
    });
    const asks = (resource: string): string =>
      rules.judge(refundCall({}, { agent: "a", kind: "ask", action: "agent.ask", resource, input: {} })).decision;
    expect([asks("a"), asks("b"), asks("c"), asks("nobody")]).toEqual(["allow", "allow", "deny", "deny"]);
  });
});

describe("the most severe effect wins", () => {
  const rule = (id: string, annotations: string, above: number): string =>
    `@id("${id}") @reason("${id}!") ${annotations} forbid ${head} when { context.input.amountCents > ${String(above)} }`;
  const rules = compile(`
    ${rule("hold", `@effect("require_approval") @pool("finance")`, 10)} unless { context.approval.satisfied };
    ${rule("limit", `@effect("rate_limit")`, 20)};
    ${rule("never", "", 30)};
    ${rule("never-ever", `@effect("deny")`, 40)};
    @id("a") @reason("Refunds are what it is for.") permit ${head};`);
  const verdict = (amountCents: number) => rules.judge(refundCall({ amountCents }));

  test("from allow to deny, listing all rules that apply, the most severe first", () => {
    expect(verdict(10)).toMatchObject({ decision: "allow", reason: "Refunds are what it is for." });
    expect(verdict(11)).toMatchObject({
      decision: "require_approval",
      reason: "hold!",
      approval: { pool: "finance", approvers: 1, ttlMs: 86_400_000 },
    });
    expect(verdict(21)).toMatchObject({ decision: "rate_limit", reason: "limit!" });
    expect(verdict(31)).toMatchObject({ decision: "deny", reason: "never!" });
    const worst = verdict(41);
    expect(worst).toMatchObject({ decision: "deny", reason: "never! never-ever!" });
    expect(worst.rules).toEqual([
      { id: "never", effect: "deny", reason: "never!" },
      { id: "never-ever", effect: "deny", reason: "never-ever!" },
      { id: "limit", effect: "rate_limit", reason: "limit!" },
      { id: "hold", effect: "require_approval", reason: "hold!" },
    ]);
    expect(worst.fault).toBeUndefined();
    expect(worst.approval).toBeUndefined();
  });

  test("every verdict has the shape that is recorded", () => {
    for (const amountCents of [10, 11, 21, 31, 41]) expect(verdictSchema.parse(verdict(amountCents))).toBeTruthy();
  });
});

describe("approval", () => {
  test("a held call goes on once its approval is satisfied", () => {
    const rules = compile(PERMIT + FOUR_EYES);
    expect(rules.judge(refundCall({ amountCents: 50_001 }))).toEqual({
      decision: "require_approval",
      rules: [
        { id: "four-eyes", effect: "require_approval", reason: "Refunds above $500 need two people from finance." },
      ],
      reason: "Refunds above $500 need two people from finance.",
      approval: { pool: "finance", approvers: 2, ttlMs: 4 * 3_600_000 },
      ruleSet: rules.hash,
    });
    expect(rules.judge(refundCall({ amountCents: 50_001 }, satisfied)).decision).toBe("allow");
    expect(rules.judge(refundCall({ amountCents: 50_000 })).decision).toBe("allow");
  });

  test("an approval does not overrule a deny", () => {
    const rules = compile(`${PERMIT}${FOUR_EYES}
      @id("cap") @reason("Never above $1000.") forbid ${head} when { context.input.amountCents > 100000 };`);
    expect(rules.judge(refundCall({ amountCents: 100_001 })).decision).toBe("deny");
    expect(rules.judge(refundCall({ amountCents: 100_001 }, satisfied)).decision).toBe("deny");
  });

  test("nobody is asked about a call that nothing permits", () => {
    const verdict = compile(FOUR_EYES).judge(refundCall({ amountCents: 50_001 }));
    expect(verdict).toMatchObject({ decision: "deny", reason: "No rule permits refunds to call payments.refund." });
  });

  test("several rules that ask one pool: the most people and the shortest time", () => {
    const rules = compile(`${PERMIT}${FOUR_EYES}
      @id("tagged") @effect("require_approval") @approvers("1") @pool("finance") @ttl("PT1H") @reason("It is tagged.")
      forbid ${head} when { context.input.tags.contains("check") } unless { context.approval.satisfied };`);
    const verdict = rules.judge(refundCall({ amountCents: 50_001, tags: ["check"] }));
    expect(verdict.approval).toEqual({ pool: "finance", approvers: 2, ttlMs: 3_600_000 });
    expect(verdict.reason).toBe("Refunds above $500 need two people from finance. It is tagged.");
  });

  test("rules that ask different pools for one call refuse it, and say so", () => {
    const rules = compile(`${PERMIT}${FOUR_EYES}
      @id("tagged") @effect("require_approval") @pool("fraud") @reason("It is tagged.")
      forbid ${head} when { context.input.tags.contains("check") } unless { context.approval.satisfied };`);
    const verdict = rules.judge(refundCall({ amountCents: 50_001, tags: ["check"] }));
    expect(verdict).toMatchObject({ decision: "deny", fault: "several_pools" });
    expect(verdict.reason).toContain(`"four-eyes" and "tagged" ask different people (finance, fraud)`);
    expect(verdict.rules.map(({ id }) => id)).toEqual(["four-eyes", "tagged"]);
    expect(rules.judge(refundCall({ tags: ["check"] })).decision).toBe("require_approval");
  });

  test("a permit may wait for an approval too, and is then no reason to ask for one", () => {
    const rules = compile(`@id("a") permit ${head} when { context.approval.satisfied };`);
    expect(rules.judge(refundCall()).decision).toBe("deny");
    expect(rules.judge(refundCall({}, satisfied)).decision).toBe("allow");
  });
});

describe("what rules can look at", () => {
  const decide = (when: string, call: ProposedCall): string =>
    compile(`@id("a") permit ${head} when { ${when} };`).judge(call).decision;

  test.each([
    [`context.input.note == "x"`, { note: "x" }],
    [`context.input["note"] == "x"`, { note: "x" }],
    [`context.input.tags.containsAll(["a", "b"])`, { tags: ["b", "a", "b"] }],
    [`context.input.tags.isEmpty()`, { tags: [] }],
    [`context.input.orderId like "o-*"`, {}],
    [`context.input has iban && context.input.iban == "DE"`, { iban: "DE" }],
    [`!(context.input has iban)`, { iban: null }],
    [`!(context.input has note)`, {}],
    [`context has input.note`, { note: "" }],
    [`context.run.session == "session-1" && context.run.depth == 0`, {}],
    [`context.run.startedBy == {kind: "person", id: "amy"}`, {}],
    [`context.input.amountCents == -9007199254740991`, { amountCents: -9007199254740991 }],
    [`context.approval == {satisfied: false}`, {}],
    [`principal == Agent::"refunds" && principal in Team::"support"`, {}],
    [`resource == Tool::"payments.refund" && action == Action::"payments.refund"`, {}],
  ])("%s", (when, input) => {
    const guarded = when.includes(".note ==") || when.includes(`["note"]`) ? `context.input has note && ${when}` : when;
    expect(decide(guarded, refundCall(input))).toBe("allow");
    expect(decide(`!(${guarded})`, refundCall(input))).toBe("deny");
  });

  test("what is hidden from them does not disturb them", () => {
    expect(decide("true", refundCall({ rate: 0.5, extra: { deep: [null, 1.5, { any: "thing" }] } }))).toBe("allow");
  });
});
