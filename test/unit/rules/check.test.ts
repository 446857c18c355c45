import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { RuledAction, RuledAgent } from "../../../runtime/core/judge.ts";
import { checkRules, compileRuleSet, formatRuleProblem, RulesInvalidError } from "../../../runtime/rules/index.ts";
import { inputSchema, LOOKUP, PERMIT, problems, REFUND, refunds, sourceOf, tool } from "./support.ts";

/**
 * What a file's only problem is. Its expected place is marked in the text by ¦, which is taken out
 * before the file is checked; `elsewhere` is what comes back if it was found in another place.
 */
function problemAt(marked: string, actions?: readonly RuledAction[]): string {
  const before = marked.slice(0, marked.indexOf("¦"));
  const lines = before.split("\n");
  const place = `${String(lines.length)}:${String((lines.at(-1) ?? "").length + 1)} `;
  const found = problems(marked.replace("¦", ""), actions);
  const [first = "nothing"] = found;
  return found.length === 1 && first.startsWith(place) ? first.slice(place.length) : `elsewhere: ${found.join("\n")}`;
}

const head = `(principal, action == Action::"payments.refund", resource)`;
const forbid = (when: string): string => `@id("r") @reason("No.") forbid ${head} when { ${when} };`;
const hold = (annotations: string, rest = "unless { context.approval.satisfied }"): string =>
  `@id("r") @reason("No.") @effect("require_approval") ${annotations} forbid ${head} ${rest};`;

describe("a rule that is right", () => {
  test("has no problems, with every annotation and every kind of value", () => {
    expect(
      problems(`
        // Everything that the support team's agents may do.
        @id("support.all") permit (principal in Team::"support", action, resource);
        @id("mine") @reason("Mine.") permit (principal == Agent::"refunds", action in [Action::"orders.lookup"], resource is Tool);
        @id("four-eyes") @effect("require_approval") @approvers("2") @pool("finance") @ttl("PT4H")
        @reason("Refunds above $500 need two people from finance.")
        forbid ${head} when { context.input.amountCents > 50000 } unless { context.approval.satisfied };
        @id("limit") @effect("rate_limit") @reason("Later.") forbid ${head} when { context.run.depth > 3 };
        @id("note") @reason("No.") forbid (principal, action, resource == Tool::"payments.refund")
        when { context.input has note && context.input.note like "*;//\\"*" && context.input.tags.contains("vip") }
        when { context.run.startedBy.kind == "service" || context.run.session == "" };`),
    ).toEqual([]);
  });

  test("no rules at all are right too", () => {
    expect(problems("")).toEqual([]);
    expect(problems("// nothing is permitted yet\n")).toEqual([]);
    expect(checkRules(sourceOf(undefined))).toEqual([]);
    expect(checkRules({ agents: [], shared: [] })).toEqual([]);
  });
});

describe("a pool", () => {
  const source = sourceOf(hold('@pool("finace")'));

  test("that the configuration does not name - is a problem, because nobody could approve", () => {
    const found = checkRules({ ...source, pools: ["claims", "finance"] }).map(formatRuleProblem);
    expect(found).toEqual([
      expect.stringContaining('There is no pool "finace" in the configuration. Did you mean "finance"?'),
    ]);
    expect(() => compileRuleSet({ ...source, pools: ["claims"] })).toThrow(RulesInvalidError);
  });

  test("where the configuration names none - may be any", () => {
    expect(checkRules(source)).toEqual([]);
  });
});

describe("where a problem is", () => {
  test("lines and columns are right after comments, CRLF, several rules and characters of many bytes", () => {
    const file = [
      `// Prüfung – 🚦 "not text`,
      PERMIT.trim(),
      `@id("ü-free") @reason("Über 500 € entscheidet 👩‍⚖️.")`,
      `forbid ${head}`,
      `when { "🚦" != "é" &&`,
      `       context.input.amonutCents > 5 };`,
    ];
    for (const lineEnd of ["\n", "\r\n"]) {
      expect(problems(file.join(lineEnd)).at(-1)).toBe(
        `6:22 A call of payments.refund has no "input.amonutCents". Did you mean "amountCents"? (rule "ü-free")`,
      );
    }
  });

  test("a column counts as editors do after a character of two units", () => {
    expect(problemAt(`@id("a") permit ${head} when { "🚦" == context.input.¦ordreId };`)).toMatch(/no "input.ordreId"/);
  });

  test("each problem of a file is listed, in order, and one rule does not hide another", () => {
    const found = problems(
      `permit ${head};\n@id("b") permit ${head} when { };\n${PERMIT}@id("permit") forbid ${head} when { context.input.x };`,
    );
    expect(found.map((problem) => problem.replace(/:\d+/, ""))).toEqual([
      expect.stringContaining("1 This rule has no @id."),
      expect.stringContaining("2 "),
      expect.stringContaining("4 This forbid has no @reason."),
      expect.stringContaining('4 The @id "permit" is taken by the rule at agents/refunds/rules.cedar:3.'),
      expect.stringContaining('4 A call of payments.refund has no "input.x".'),
    ]);
  });

  test("a problem in a shared file has that file's name", () => {
    const shared = [{ path: "rules/shared.cedar", text: "\npermit (principal, action, resource);" }];
    expect(checkRules({ agents: [refunds(PERMIT)], shared })).toEqual([
      {
        file: "rules/shared.cedar",
        line: 2,
        column: 1,
        message: "This rule has no @id.",
        help: 'Begin it with @id("a-name"), by which the record will name it.',
      },
    ]);
  });
});

describe("text that is no rule", () => {
  const wrong: [string, string, string][] = [
    [
      "a forgotten semicolon",
      `@id("a") permit ${head.slice(0, -1)}¦)\n@id("b") permit ${head};`,
      "A ; is missing after this",
    ],
    ["a forgotten semicolon before a bare rule", `permit ${head} when { true ¦}\nforbid ${head};`, "A ; is missing"],
    ["the last semicolon", `@id("a") permit ${head}¦`, "The rule ends before it is complete."],
    [
      "an open quote",
      `@id("a") permit ${head} when { context.input.orderId == ¦"x };`,
      "This text has no closing quote.",
    ],
    ["another word", `@id("a") ¦allow ${head};`, "Invalid policy effect: allow."],
    ["a single =", `@id("a") permit (principal, ¦action = Action::"payments.refund", resource);`, "'=' is not a valid"],
    ["a slot", `@id("a") permit (principal == ¦?principal, action, resource);`, "?principal is a slot of a template"],
    ["something else altogether", "name¦: refunds", '":" cannot stand here.'],
    ["an unknown function", `@id("a") permit ${head} when { ¦today() };`, '"today" is not a valid function.'],
    ["an annotation given twice", `@id("a") ¦@id("b") permit ${head};`, "@id is given twice."],
    ["a fraction", forbid("context.input.amountCents > ¦500.25"), "Rules know only whole numbers, and 500.25 is a"],
    ["a huge number", forbid("context.input.amountCents > ¦99999999999999999999"), "This number is too large"],
    ["an invisible change of direction", `// ¦\u202e\n${PERMIT}`, "An invisible character here changes the direction"],
  ];
  test.each(wrong)("%s", (_, text, problem) => {
    expect(problemAt(text).slice(0, problem.length)).toBe(problem);
  });

  test("half of a surrogate pair", () => {
    expect(problems(`// \ud800\n${PERMIT}`)).toEqual(["1:1 This file is not well-formed text. Save it as UTF-8."]);
  });
});

describe("names that do not exist", () => {
  test("an action", () => {
    expect(problems(`@id("a") permit (principal, action == Action::"payments.refnd", resource);`)).toEqual([
      '1:39 No agent has the action "payments.refnd". Did you mean "payments.refund"? (rule "a")',
    ]);
  });

  test("an action in a list, and in a condition", () => {
    expect(
      problems(
        `@id("a") permit (principal, action in [Action::"orders.lookup", Action::"x"], resource) unless { action == Action::"y" };`,
      ),
    ).toEqual(['1:65 No agent has the action "x". (rule "a")', '1:108 No agent has the action "y". (rule "a")']);
  });

  test("an action of another agent", () => {
    const payout: RuledAgent = {
      name: "payout",
      team: "claims",
      actions: [tool("payments.payout", z.object({}))],
      rules: undefined,
    };
    const text = `@id("a") permit (principal, action == Action::"payments.payout", resource);`;
    expect(checkRules({ agents: [refunds(text), payout], shared: [] }).map(formatRuleProblem)).toEqual([
      'agents/refunds/rules.cedar:1:39 The action "payments.payout" is not one of refunds, whose calls this file judges. (rule "a")',
    ]);
    expect(checkRules({ agents: [refunds(undefined), payout], shared: [{ path: "s", text }] })).toEqual([]);
  });

  test("an agent or a team that a forbid would silently miss", () => {
    expect(problems(`@id("a") @reason("No.") forbid (principal == Agent::"refund", action, resource);`)).toEqual([
      '1:46 There is no agent "refund". Did you mean "refunds"? (rule "a")',
    ]);
    expect(problems(`@id("a") @reason("No.") forbid (principal in Team::"suport", action, resource);`)).toEqual([
      '1:46 No agent belongs to a team "suport". Did you mean "support"? (rule "a")',
    ]);
    expect(problems(`@id("a") permit (principal, action, resource == Tool::"payments.refunds");`)).toEqual([
      '1:49 No agent has the tool "payments.refunds". Did you mean "payments.refund"? (rule "a")',
    ]);
  });

  test("an agent whose calls the file does not judge", () => {
    const other: RuledAgent = { name: "other", team: "desk", actions: [LOOKUP], rules: undefined };
    const own = (text: string): string[] =>
      checkRules({ agents: [refunds(text), other], shared: [] }).map(({ message }) => message);
    expect(own(`@id("a") permit (principal == Agent::"other", action, resource);`)).toEqual([
      'This rule never applies: the file does not judge the calls of the agent "other".',
    ]);
    expect(own(`@id("a") permit (principal is Agent in Team::"desk", action, resource);`)).toEqual([
      'This rule never applies: the file does not judge the calls of the team "desk".',
    ]);
  });

  test("an entity type", () => {
    expect(problems(`@id("a") permit (principal is Agnt, action, resource);`)).toEqual([
      '1:31 There is nothing of the type "Agnt". Did you mean "Agent"? (rule "a")',
    ]);
    expect(problems(`@id("a") permit (principal, action, resource) when { principal.tier == 1 };`)[0]).toBe(
      '1:64 Agent has no attribute "tier". (rule "a")',
    );
  });

  test("agents that share a file may each have only some of the actions that it names", () => {
    const file = {
      path: "agents/desk/rules.cedar",
      text: `@id("a") permit (principal, action == Action::"payments.refund", resource) when { context.input.amountCents > 0 };
             @id("b") permit (principal == Agent::"looker", action == Action::"orders.lookup", resource);`,
    };
    const agents: RuledAgent[] = [
      { name: "looker", team: undefined, actions: [LOOKUP], rules: file },
      { name: "payer", team: undefined, actions: [REFUND], rules: { ...file } },
    ];
    expect(checkRules({ agents, shared: [] })).toEqual([]);
  });
});

describe("types", () => {
  test("an attribute that does not exist", () => {
    expect(problemAt(forbid("context.¦inptu.amountCents > 5"))).toBe(
      'A call of payments.refund has no "inptu". Did you mean "input"? (rule "r")',
    );
    expect(problemAt(forbid(`context.run.startedBy.¦name == "amy"`))).toBe(
      'A call of payments.refund has no "run.startedBy.name". (rule "r")',
    );
  });

  test("an attribute that only some of the named actions have", () => {
    expect(
      problemAt(`@id("a") permit (principal, action, resource) when { context.input.¦tags.contains("vip") };`),
    ).toBe(
      'A call of orders.lookup has no "input.tags". Name one action in the rule\'s head, or test with "has" first. (rule "a")',
    );
  });

  test("an attribute that rules cannot see, and why", () => {
    expect(problemAt(forbid("context.input.¦rate > 5"))).toBe(
      'Rules cannot see "input.rate" of a call of payments.refund: it may be a fraction, and rules know only whole numbers: use integer minor units (cents). (rule "r")',
    );
    expect(problemAt(forbid(`context.input.¦extra == "x"`))).toContain("it may have one of several shapes");
    const opaque = tool("a.b", z.record(z.string(), z.string()));
    expect(
      problemAt(`@id("a") permit (principal, action, resource) when { context.input.¦x == "" };`, [opaque]),
    ).toContain('Rules cannot see "input.x" of a call of a.b: its property names are not known beforehand');
  });

  test("a comparison of different types", () => {
    expect(problemAt(forbid(`context.input.amountCents > ¦"5"`))).toBe(
      'This is text, where a whole number is needed. (rule "r")',
    );
    expect(problemAt(forbid(`¦context.input.amountCents == "5"`))).toBe(
      'This compares a whole number with text, which are never equal. (rule "r")',
    );
    expect(problemAt(forbid("¦context.input.orderId"))).toBe('This is text, where true or false is needed. (rule "r")');
  });

  test("an attribute that may be missing or null", () => {
    for (const name of ["note", "iban"]) {
      expect(problemAt(forbid(`context.input.¦${name} == "x"`))).toBe(
        `"${name}" may be missing from a call, so it has to be tested for first. Write context.input has ${name} && … before it. (rule "r")`,
      );
    }
  });

  test("a rule that can never apply", () => {
    const never = "This rule never applies: no call that it names can meet its conditions.";
    expect(problems(forbid("context.input.amountCents > 5 && false"))[0]).toContain(`1:1 ${never}`);
    expect(
      problems(`@id("a") permit (principal, action == Action::"payments.refund", resource is Agent);`)[0],
    ).toContain(never);
  });

  test("every input that an action has among the agents is checked", () => {
    const agent = (name: string, input: z.ZodType): RuledAgent => ({
      name,
      team: undefined,
      actions: [tool("letters.send", input)],
      rules: undefined,
    });
    const agents = [
      agent("a", z.object({ pages: z.int() })),
      agent("b", z.object({ pages: z.string() })),
      agent("c", z.object({ pages: z.int(), to: z.string() })),
    ];
    const check = (when: string): string[] =>
      checkRules({
        agents,
        shared: [
          {
            path: "s",
            text: `@id("a") permit (principal, action == Action::"letters.send", resource) when { ${when} };`,
          },
        ],
      }).map(({ message }) => message);
    expect(check("context.input.pages > 5")).toEqual(["This is text, where a whole number is needed."]);
    expect(check(`context.input.to == "x"`)).toEqual(['A call of letters.send has no "input.to".']);
    // It applies to one of the three: that is enough.
    expect(check(`context.input has to && context.input.to == "x"`)).toEqual([]);
  });
});

describe("annotations", () => {
  const wrong: [string, string, string][] = [
    ["no @id", `¦permit ${head};`, "This rule has no @id."],
    ["an @id with a space", `¦@id("a b") permit ${head};`, '"a b" cannot be a rule\'s @id.'],
    ["an @id without a value", `¦@id permit ${head};`, "@id has no value."],
    [
      "an unknown annotation",
      `@id("a") ¦@efect("deny") permit ${head};`,
      'There is no annotation @efect. Did you mean "effect"?',
    ],
    ["a forbid without a @reason", `¦@id("a") forbid ${head};`, "This forbid has no @reason."],
    ["an empty @reason", `@id("a") ¦@reason(" ") forbid ${head};`, "@reason has no value."],
    [
      "an unknown @effect",
      `@id("a") @reason("x") ¦@effect("dney") forbid ${head};`,
      'There is no @effect "dney". Did you mean "deny"?',
    ],
    ["an @effect on a permit", `@id("a") ¦@effect("deny") permit ${head};`, "A permit carries no @effect."],
    ["a @pool on a permit", `@id("a") ¦@pool("x") permit ${head};`, "A permit carries no @pool."],
    [
      "a @pool on a deny",
      `@id("a") @reason("x") ¦@pool("x") forbid ${head};`,
      '@pool says nothing without @effect("require_approval").',
    ],
    ["an approval without a @pool", hold("").replace("@effect", "¦@effect"), "An approval needs a @pool."],
    ["nobody to approve", hold(`@pool("x") ¦@approvers("0")`), '@approvers("0") is not a number of people.'],
    ["half a person", hold(`@pool("x") ¦@approvers("1.5")`), '@approvers("1.5") is not a number of people.'],
    ["a time limit in months", hold(`@pool("x") ¦@ttl("P1M")`), '@ttl("P1M") is not a time limit.'],
    ["no time at all", hold(`@pool("x") ¦@ttl("PT0S")`), '@ttl("PT0S") is not a time limit.'],
    ["more than a year", hold(`@pool("x") ¦@ttl("P367D")`), '@ttl("P367D") is not a time limit.'],
  ];
  test.each(wrong)("%s", (_, text, problem) => {
    expect(problemAt(text).slice(0, problem.length)).toBe(problem);
  });

  test("an @id that two rules have, in one file or in two", () => {
    expect(problemAt(`${PERMIT}¦${PERMIT}`)).toBe(
      'The @id "permit" is taken by the rule at agents/refunds/rules.cedar:1. Give each rule an @id of its own. (rule "permit")',
    );
    const shared = [{ path: "shared.cedar", text: `\n${PERMIT}` }];
    expect(checkRules({ agents: [refunds(PERMIT)], shared }).map(formatRuleProblem)).toEqual([
      'agents/refunds/rules.cedar:1:1 The @id "permit" is taken by the rule at shared.cedar:2. Give each rule an @id of its own. (rule "permit")',
    ]);
  });
});

describe("a rule that asks for approval", () => {
  const never = "This rule asks for an approval and would still apply after it was given";
  const check = (rest: string): boolean =>
    problems(hold(`@pool("finance")`, rest)).some((problem) => problem.includes(never));

  test.each([
    "",
    "when { context.input.amountCents > 5 }",
    "unless { context.input.amountCents > 5 }",
    "unless { context.approval.satisfied && context.input.amountCents > 5 }",
    "unless { !context.approval.satisfied }",
    "when { context.approval.satisfied }",
    `unless { if context.input.amountCents > 5 then context.approval.satisfied else false }`,
  ])("is refused if it could never be satisfied: %s", (rest) => {
    expect(check(rest)).toBe(true);
  });

  test.each([
    "unless { context.approval.satisfied }",
    `unless { context["approval"]["satisfied"] }`,
    "unless { context.approval.satisfied || context.input.amountCents > 5 }",
    "unless { context.input.amountCents > 5 || context.approval.satisfied }",
    "when { !context.approval.satisfied }",
    "when { context.input.amountCents > 5 && !context.approval.satisfied }",
    "when { context.approval.satisfied == false }",
    "when { context.approval.satisfied != true }",
    "when { context.input.amountCents > 5 } unless { if context.approval.satisfied then true else false }",
  ])("may say so in any way: %s", (rest) => {
    expect(check(rest)).toBe(false);
  });
});

describe("compiling what is wrong", () => {
  test("throws one error with every problem, in its message and in its details", () => {
    let thrown: unknown;
    try {
      compileRuleSet(sourceOf(`permit ${head};\n${forbid("context.input.amonutCents > 5")}`));
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(RulesInvalidError);
    const error = thrown as RulesInvalidError;
    expect(error.code).toBe("RULES_INVALID");
    expect(error.message).toContain("2 problems");
    expect(error.message).toContain("\nagents/refunds/rules.cedar:2:");
    expect(error.details["problems"]).toEqual(error.problems);
    expect(error.problems[1]).toMatchObject({ file: "agents/refunds/rules.cedar", line: 2, rule: "r" });
  });

  test("two agents of one name are refused", () => {
    const agents = [refunds(undefined), { ...refunds(undefined), actions: [tool("a.b", z.object({}))] }];
    expect(() => compileRuleSet({ agents, shared: [] })).toThrow('Two agents are named "refunds".');
  });

  test("a schema without its $defs is no reason to fail", () => {
    const action = { kind: "tool" as const, name: "a.b", input: { ...inputSchema(z.object({})), $ref: "#/$defs/x" } };
    expect(problems(PERMIT, [action])).toEqual([]);
  });
});
