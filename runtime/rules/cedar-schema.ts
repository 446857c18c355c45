import type { SchemaJson, Type, TypeOfAttribute } from "@cedar-policy/cedar-wasm/nodejs";
import type { EffectKind } from "../core/effects.ts";
import type { VisibleRecord, VisibleType } from "./visible.ts";

/** An action as a schema needs it: `context` is what rules can see of a call, see {@link contextRecord}. */
export interface SchemaAction {
  readonly kind: EffectKind;
  readonly name: string;
  readonly context: VisibleRecord;
}

/** What a call of each kind is made on. Kinds that are missing here are never judged. */
const RESOURCE_TYPES: Readonly<Partial<Record<EffectKind, string>>> = {
  tool: "Tool",
  ask: "Agent",
  send: "Agent",
  publish: "Topic",
  memory: "Memory",
  model: "Model",
  human: "Pool",
};

export function resourceType(kind: EffectKind): string | undefined {
  return RESOURCE_TYPES[kind];
}

/** What rules see of every call beside its input. The judge's context has the same shape. */
const RUN: VisibleRecord = closed({
  session: { type: "String" },
  depth: { type: "Long" },
  startedBy: closed({ kind: { type: "String" }, id: { type: "String" } }),
});
const APPROVAL: VisibleRecord = closed({ satisfied: { type: "Bool" } });

/** The whole `context` of a call with this input. */
export function contextRecord(input: VisibleRecord): VisibleRecord {
  return closed({ input, run: RUN, approval: APPROVAL });
}

function closed(values: Readonly<Record<string, VisibleType>>): VisibleRecord {
  const fields = Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { value, optional: false }] as const),
  );
  return { type: "Record", fields, hidden: {}, open: false };
}

/** The Cedar schema of these actions, in Cedar's JSON form: names need no escaping there. */
export function cedarSchema(actions: readonly SchemaAction[]): SchemaJson<string> {
  const entityTypes: SchemaJson<string>[string]["entityTypes"] = { Team: {}, Agent: { memberOfTypes: ["Team"] } };
  for (const type of Object.values(RESOURCE_TYPES)) entityTypes[type] ??= {};
  const entries: [string, SchemaJson<string>[string]["actions"][string]][] = [];
  for (const { kind, name, context: seen } of actions) {
    const resource = resourceType(kind);
    if (resource === undefined) continue;
    const context = cedarType(seen);
    entries.push([name, { appliesTo: { principalTypes: ["Agent"], resourceTypes: [resource], context } }]);
  }
  return { "": { entityTypes, actions: Object.fromEntries(entries) } };
}

function cedarType(type: VisibleType): Type<string> {
  switch (type.type) {
    case "String":
    case "Long":
      return { type: type.type };
    case "Bool":
      return { type: "Boolean" };
    case "Set":
      return { type: "Set", element: cedarType(type.element) };
    case "Record": {
      const attributes = Object.entries(type.fields).map(([name, field]): [string, TypeOfAttribute<string>] => [
        name,
        { ...cedarType(field.value), required: !field.optional },
      ]);
      return { type: "Record", attributes: Object.fromEntries(attributes) };
    }
  }
}
