import type { Clause, Expr } from "@cedar-policy/cedar-wasm/nodejs";
import { isPlainObject } from "../core/json.ts";

/**
 * Whether a rule with these conditions can never apply once the approval that it asks for was given.
 * Decided without the call: `context.approval.satisfied` is taken as true and everything else as
 * unknown, in three-valued logic. What stays unknown counts as no: asking people for an approval that
 * changes nothing would only look like control.
 */
export function endsWithApproval(conditions: readonly Clause[]): boolean {
  return conditions.some(({ kind, body }) => truth(body) === (kind === "unless"));
}

type Operands = Readonly<Record<string, Expr | undefined>>;

function truth(expr: Expr): boolean | undefined {
  if (isSatisfied(expr)) return true;
  const [operator, operands] = Object.entries(expr)[0] ?? [];
  if (operator === "Value") return typeof operands === "boolean" ? operands : undefined;
  const { arg, left, right, if: test, then, else: otherwise } = operands as Operands;
  const of = (operand: Expr | undefined): boolean | undefined => (operand ? truth(operand) : undefined);
  switch (operator) {
    case "!":
      return negate(of(arg));
    case "&&":
      return both(of(left), of(right));
    case "||":
      return negate(both(negate(of(left)), negate(of(right))));
    case "==":
      return equal(of(left), of(right));
    case "!=":
      return negate(equal(of(left), of(right)));
    case "if-then-else": {
      const condition = of(test);
      const [yes, no] = [of(then), of(otherwise)];
      if (condition !== undefined) return condition ? yes : no;
      return yes === no ? yes : undefined;
    }
    default:
      return undefined;
  }
}

/** `context.approval.satisfied`, also when it is written with brackets. */
function isSatisfied(expr: Expr): boolean {
  const of = attribute(attribute(expr, "satisfied"), "approval");
  return isPlainObject(of) && of["Var"] === "context";
}

/** What the attribute is taken of, if this is an access to an attribute of that name. */
function attribute(expr: unknown, name: string): unknown {
  const access = isPlainObject(expr) ? expr["."] : undefined;
  return isPlainObject(access) && access["attr"] === name ? access["left"] : undefined;
}

function negate(value: boolean | undefined): boolean | undefined {
  return value === undefined ? undefined : !value;
}

function both(left: boolean | undefined, right: boolean | undefined): boolean | undefined {
  if (left === false || right === false) return false;
  return left === undefined || right === undefined ? undefined : true;
}

function equal(left: boolean | undefined, right: boolean | undefined): boolean | undefined {
  return left === undefined || right === undefined ? undefined : left === right;
}
