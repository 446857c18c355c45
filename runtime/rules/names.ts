import type { Finding } from "./annotations.ts";
import type { LoadedRule } from "./load.ts";
import type { ModelAction, ModelAgent, ModelFile, RuleModel } from "./model.ts";
import { didYouMean } from "./nearest.ts";
import type { Token } from "./tokens.ts";

/** Who and what the rules of one file may name. */
export interface Names {
  /** The agents that the file judges. */
  readonly judged: readonly ModelAgent[];
  readonly actions: ReadonlyMap<string, readonly ModelAction[]>;
  readonly known: Readonly<Record<"Action" | "Agent" | "Team" | "Tool", ReadonlySet<string>>>;
  /** Actions that exist, but that none of the judged agents has. */
  readonly elsewhere: ReadonlySet<string>;
}

export function namesFor(file: ModelFile, model: RuleModel): Names {
  const judged = file.agents ? model.agents.filter(({ name }) => file.agents?.includes(name)) : model.agents;
  const actions = new Map<string, ModelAction[]>();
  for (const action of judged.flatMap((agent) => agent.actions)) {
    actions.set(action.name, [...(actions.get(action.name) ?? []), action]);
  }
  const all = model.agents.flatMap((agent) => agent.actions);
  const asked = all.filter(({ kind }) => kind === "ask").flatMap(({ resources }) => resources ?? []);
  return {
    judged,
    actions,
    known: {
      Action: new Set(actions.keys()),
      Agent: new Set([...model.agents.map(({ name }) => name), ...asked]),
      Team: new Set(model.agents.flatMap(({ team }) => team ?? [])),
      Tool: new Set([...actions.values()].flat().flatMap(({ kind, name }) => (kind === "tool" ? [name] : []))),
    },
    elsewhere: new Set(all.flatMap(({ name }) => (actions.has(name) ? [] : [name]))),
  };
}

/**
 * Finds names that a rule gets wrong. Cedar checks actions only: to it a misspelt agent or team is merely
 * one that it does not know, and a `forbid` for it would protect nothing.
 */
export function checkNames(rule: LoadedRule, names: Names): Finding[] {
  const findings: Finding[] = [];
  for (const { type, id, token } of entityLiterals(rule.source.tokens)) {
    if (type !== "Action" && type !== "Agent" && type !== "Team" && type !== "Tool") continue;
    if (names.known[type].has(id)) continue;
    findings.push({ at: token.start, ...unknown(type, id, names) });
  }
  return findings.length > 0 ? findings : checkPrincipal(rule, names);
}

function unknown(type: "Action" | "Agent" | "Team" | "Tool", id: string, names: Names): Omit<Finding, "at"> {
  const help = didYouMean(id, names.known[type]);
  switch (type) {
    case "Agent":
      return { message: `There is no agent "${id}".`, help };
    case "Team":
      return { message: `No agent belongs to a team "${id}".`, help };
    default: {
      const judged = names.judged.map(({ name }) => name);
      const whose = judged.length === 0 ? "any agent" : judged.length > 3 ? "these agents" : judged.join(", ");
      const noun = type === "Tool" ? "tool" : "action";
      return names.elsewhere.has(id)
        ? { message: `The ${noun} "${id}" is not one of ${whose}, whose calls this file judges.`, help }
        : { message: `No agent has the ${noun} "${id}".`, help };
    }
  }
}

/** A rule for somebody whose calls this file does not judge never applies. */
function checkPrincipal({ cedar, source }: LoadedRule, { judged }: Names): Finding[] {
  const { principal } = cedar;
  const place = source.tokens.find((token) => token.text === "principal")?.start ?? source.start;
  const within = principal.op === "is" ? principal.in : principal;
  const literal = within && "entity" in within ? within.entity : undefined;
  const of = literal && ("__entity" in literal ? literal.__entity : literal);
  if (!of) return [];
  const applies =
    of.type === "Team"
      ? judged.some(({ team }) => team === of.id)
      : of.type !== "Agent" || judged.some(({ name }) => name === of.id);
  if (applies) return [];
  const message = `This rule never applies: the file does not judge the calls of ${of.type === "Team" ? "the team" : "the agent"} "${of.id}".`;
  return [{ at: place, message, help: "Move it to a shared rule file, or to that agent's own." }];
}

interface EntityLiteral {
  readonly type: string;
  readonly id: string;
  /** The token of the type: where the literal begins. */
  readonly token: Token;
}

/** `Type::"id"` in a rule's text. Names have no characters that need an escape, so escapes stay as they are. */
function entityLiterals(tokens: readonly Token[]): EntityLiteral[] {
  const literals: EntityLiteral[] = [];
  for (const [i, token] of tokens.entries()) {
    const [mark, id] = [tokens[i + 1], tokens[i + 2]];
    if (token.kind === "word" && mark?.text === "::" && id?.kind === "string" && tokens[i - 1]?.text !== "::") {
      literals.push({ type: token.text, id: id.text.slice(1, -1), token });
    }
  }
  return literals;
}
