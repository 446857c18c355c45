/**
 * How long one verdict takes: `node --no-turbo-inline-js-wasm-calls --import tsx test/bench/rules-bench.ts [--json]`
 * (the flag is the one that workers run with). Every call has an input of its own, and nothing is cached. The last line is
 * `{p50Ms50, p99Ms50, p50Ms500, p99Ms500, compileMs50, compileMs500, firstMs}`: 50 rules over 10 tools, 500 over 100.
 */
import { z } from "zod";
import type { JsonObject } from "../../runtime/core/json.ts";
import type { Judge, ProposedCall, RuledAction, RuleSetSource } from "../../runtime/core/judge.ts";
import { compileRuleSet } from "../../runtime/rules/index.ts";

const CALLS = 5_000;
const WARM_UP = 1_000;
const FIRST_CALLS = 10;

const input = z.toJSONSchema(
  z.object({
    orderId: z.string(),
    amountCents: z.int().positive(),
    currency: z.enum(["EUR", "USD", "CHF"]),
    note: z.string().optional(),
    items: z.array(z.object({ sku: z.string(), count: z.int() })),
  }),
  { io: "output" },
) as JsonObject;

function rulesOf(tool: string, i: number): string {
  const head = `(principal, action == Action::"${tool}", resource)`;
  return `
@id("permit-${String(i)}") permit (principal in Team::"support", action == Action::"${tool}", resource);
@id("limit-${String(i)}") @reason("Too much.") forbid ${head} when { context.input.amountCents > 1000000 };
@id("four-eyes-${String(i)}") @effect("require_approval") @approvers("2") @pool("finance") @reason("Two people decide.")
forbid ${head} when { context.input.amountCents > 50000 } unless { context.approval.satisfied };
@id("depth-${String(i)}") @effect("rate_limit") @reason("Too deep.") forbid ${head} when { context.run.depth > 20 };
@id("note-${String(i)}") @reason("Not by this note.")
forbid ${head} when { context.input has note && context.input.note like "*ignore*" };`;
}

function sourceWith(tools: number): RuleSetSource {
  const names = Array.from({ length: tools }, (_, i) => `desk.tool_${String(i)}`);
  const actions = names.map((name): RuledAction => ({ kind: "tool", name, input }));
  const text = names.map(rulesOf).join("\n");
  return { agents: [{ name: "desk", team: "support", actions, rules: { path: "rules.cedar", text } }], shared: [] };
}

function callOf(tools: number, i: number): ProposedCall {
  const action = `desk.tool_${String(i % tools)}`;
  return {
    agent: "desk",
    run: {
      id: `run-${String(i)}`,
      session: `session-${String(i)}`,
      depth: 1,
      startedBy: { kind: "person", id: "amy" },
    },
    kind: "tool",
    action,
    resource: action,
    input: {
      orderId: `order-${String(i)}`,
      amountCents: (i * 7919) % 50_000,
      currency: "EUR",
      ...(i % 2 === 0 ? { note: `Please hurry, number ${String(i)}.` } : {}),
      items: [{ sku: `sku-${String(i)}`, count: 1 + (i % 5) }],
    },
    approval: { satisfied: false },
  };
}

function timed<T>(run: () => T): { ms: number; value: T } {
  const start = performance.now();
  const value = run();
  return { ms: performance.now() - start, value };
}

/** The times of `count` verdicts, ascending. All must be what the rules say: a fast wrong one is worth nothing. */
function measure(judge: Judge, tools: number, from: number, count: number): number[] {
  const times: number[] = [];
  for (let i = from; i < from + count; i++) {
    const call = callOf(tools, i);
    const { ms, value } = timed(() => judge.judge(call));
    if (value.decision !== "allow") throw new Error(`Call ${String(i)} was not allowed: ${value.reason}`);
    times.push(ms);
  }
  return times.sort((a, b) => a - b);
}

const percentile = (ascending: readonly number[], p: number): number =>
  Number((ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * p))] ?? NaN).toFixed(3));

function bench(tools: number): { p50: number; p99: number; compile: number; first: number } {
  const compiled = timed(() => compileRuleSet(sourceWith(tools)));
  const first = measure(compiled.value, tools, 0, Math.min(FIRST_CALLS, tools));
  measure(compiled.value, tools, 0, WARM_UP);
  const times = measure(compiled.value, tools, WARM_UP, CALLS);
  return {
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    compile: compiled.ms,
    first: percentile(first, 0.5),
  };
}

const small = bench(10);
const large = bench(100);
const result = {
  p50Ms50: small.p50,
  p99Ms50: small.p99,
  p50Ms500: large.p50,
  p99Ms500: large.p99,
  compileMs50: Math.round(small.compile),
  compileMs500: Math.round(large.compile),
  firstMs: small.first,
};
if (!process.argv.includes("--json")) console.table(result);
console.log(JSON.stringify(result));
