import { basename } from "node:path";
import { getCedarLangVersion } from "@cedar-policy/cedar-wasm/nodejs";
import { z } from "zod";
import { canonicalJson } from "../core/canonical.ts";
import { EFFECT_KINDS } from "../core/effects.ts";
import type { JsonObject } from "../core/json.ts";
import type { RuledAction, RuledAgent, RuleFile, RuleSetSource } from "../core/judge.ts";
import { RuleSetUnreadableError } from "./errors.ts";
import { visibleInput } from "./json-schema.ts";
import {
  HIDDEN_REASONS,
  type HiddenReason,
  mergeRecords,
  type VisibleField,
  type VisibleRecord,
  type VisibleType,
} from "./visible.ts";

/** One action of one agent, everything that the JSON Schema said reduced to what rules can see. */
export interface ModelAction {
  readonly kind: RuledAction["kind"];
  readonly name: string;
  /** What it may be called on; null for anything. */
  readonly resources: readonly string[] | null;
  readonly input: VisibleRecord;
}

export interface ModelAgent {
  readonly name: string;
  readonly team: string | null;
  readonly actions: readonly ModelAction[];
}

/** A rule file with the agents whose calls it judges: `null` for all of them. */
export interface ModelFile {
  readonly path: string;
  readonly text: string;
  readonly agents: readonly string[] | null;
}

/** A rule set as it is compiled: from a source today, or from the recorded content in some years. */
export interface RuleModel {
  readonly language: string;
  readonly agents: readonly ModelAgent[];
  readonly files: readonly ModelFile[];
}

/** Agents that name the same file share it: its rules are judged for all of them, and counted once. */
export function modelOf(source: RuleSetSource): RuleModel {
  const shared: ModelFile[] = source.shared.map(({ path, text }) => ({ path, text, agents: null }));
  const agents = [...source.agents].sort(byName);
  const own = new Map<string, { file: RuleFile; agents: string[] }>();
  for (const agent of agents) {
    if (!agent.rules) continue;
    const key = `${agent.rules.path}\n${agent.rules.text}`;
    const known = own.get(key);
    if (known) known.agents.push(agent.name);
    else own.set(key, { file: agent.rules, agents: [agent.name] });
  }
  const files = [...shared, ...[...own.values()].map(({ file, agents: of }) => ({ ...file, agents: of }))];
  return { language: getCedarLangVersion(), agents: agents.map(modelAgent), files };
}

function modelAgent(agent: RuledAgent): ModelAgent {
  const actions = new Map<string, ModelAction>();
  for (const { kind, name, resource, input } of agent.actions) {
    const resources = resource === undefined ? null : [resource];
    const known = actions.get(name);
    const seen = visibleInput(input);
    actions.set(
      name,
      known
        ? { ...known, resources: union(known.resources, resources), input: mergeRecords(known.input, seen) }
        : { kind, name, resources, input: seen },
    );
  }
  return { name: agent.name, team: agent.team ?? null, actions: [...actions.values()].sort(byName) };
}

function union(a: readonly string[] | null, b: readonly string[] | null): readonly string[] | null {
  return a && b ? [...new Set([...a, ...b])].sort() : null;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/**
 * The recordable form of a rule set. It does not depend on the machine (of a file's path only the name
 * is kept) nor on anything that rules cannot see, such as the description of a tool's field.
 */
export function contentOf(model: RuleModel): JsonObject {
  const content = {
    format: FORMAT,
    language: model.language,
    agents: model.agents,
    files: model.files.map(({ path, text, agents }) => ({ name: basename(path), text, agents })),
  };
  // Through its own text, so that what is hashed is what is stored.
  return JSON.parse(canonicalJson(content)) as JsonObject;
}

const FORMAT = 1;
const hiddenReasons = Object.keys(HIDDEN_REASONS) as [HiddenReason, ...HiddenReason[]];

const visibleType: z.ZodType<VisibleType> = z.lazy(() =>
  z.union([
    z.strictObject({ type: z.enum(["Long", "String", "Bool"]) }),
    z.strictObject({ type: z.literal("Set"), element: visibleType }),
    visibleRecord,
  ]),
);
const visibleField: z.ZodType<VisibleField> = z.strictObject({ value: visibleType, optional: z.boolean() });
const visibleRecord: z.ZodType<VisibleRecord> = z.strictObject({
  type: z.literal("Record"),
  fields: z.record(z.string(), visibleField),
  hidden: z.record(z.string(), z.enum(hiddenReasons)),
  open: z.boolean(),
  opaque: z.enum(hiddenReasons).exactOptional(),
});

const contentSchema = z.strictObject({
  format: z.literal(FORMAT),
  language: z.string(),
  agents: z.array(
    z.strictObject({
      name: z.string(),
      team: z.string().nullable(),
      actions: z.array(
        z.strictObject({
          kind: z.enum(EFFECT_KINDS),
          name: z.string(),
          resources: z.array(z.string()).nullable(),
          input: visibleRecord,
        }),
      ),
    }),
  ),
  files: z.array(z.strictObject({ name: z.string(), text: z.string(), agents: z.array(z.string()).nullable() })),
});

/** @throws {@link RuleSetUnreadableError} if this is not the content of a rule set. */
export function modelFromContent(content: unknown): RuleModel {
  const parsed = contentSchema.safeParse(content);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue ? issue.path.join("/") : "";
    throw new RuleSetUnreadableError(
      `The recorded rule set cannot be read (at "${where}"). Verify the record, or use a release that knows its format.`,
      { details: { path: where }, cause: parsed.error },
    );
  }
  const { language, agents, files } = parsed.data;
  return { language, agents, files: files.map(({ name, text, agents: of }) => ({ path: name, text, agents: of })) };
}
