import { isPlainObject, type JsonValue } from "../core/json.ts";
import type { ChannelChange, JournalEvent, RunStatus, Wait } from "../core/events.ts";
import { applyEvent, emptyRecord, type RunRecord } from "../core/run-record.ts";

/** What a run was right after one of its events. */
export interface ProjectedRun {
  readonly agent: string;
  readonly status: RunStatus | "not_started";
  /** The channels of the run's graph, as the codec writes them. */
  readonly state: Readonly<Record<string, JsonValue>>;
  readonly waits: readonly Wait[];
  readonly seq: number;
}

/**
 * Follows one run through its events, from the record alone: no agent code takes part. Feed it events in
 * order and read what the run was at any point.
 */
export class RunProjection {
  readonly #record: RunRecord = emptyRecord();
  readonly #state = new Map<string, JsonValue>();
  #seq = 0;

  apply(event: JournalEvent): void {
    applyEvent(this.#record, event);
    this.#seq = event.seq;
    if (event.type !== "superstep_finished" || event.data.graph !== "") return;
    for (const [channel, change] of Object.entries(event.data.changes)) this.#change(channel, change);
  }

  get record(): RunRecord {
    return this.#record;
  }

  current(): ProjectedRun {
    return {
      agent: this.#record.started?.agent ?? "",
      status: this.#record.started ? this.#record.status : "not_started",
      state: Object.fromEntries(this.#state),
      waits: this.#record.waits,
      seq: this.#seq,
    };
  }

  #change(channel: string, change: ChannelChange): void {
    switch (change.op) {
      case "set":
        this.#state.set(channel, change.value);
        return;
      case "set_by":
        this.#state.set(channel, this.#written(change.node, channel));
        return;
      case "append":
        this.#append(channel, change.items);
        return;
      case "append_by":
        for (const node of change.nodes) {
          const items = this.#written(node, channel);
          if (Array.isArray(items)) this.#append(channel, items as readonly JsonValue[]);
        }
        return;
    }
  }

  #append(channel: string, items: readonly JsonValue[]): void {
    const before = this.#state.get(channel);
    this.#state.set(channel, [...(Array.isArray(before) ? (before as readonly JsonValue[]) : []), ...items]);
  }

  /** What a node execution's recorded update (or the run's input) holds for a channel. */
  #written(node: string, channel: string): JsonValue {
    const update = node === "input" ? this.#record.started?.input : this.#record.nodes.get(node);
    return valuesIn(update)[channel] ?? null;
  }
}

/** The channel values in an update, as the codec writes it: inside a command, and apart from an object with a `$type` of its own. */
function valuesIn(update: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  if (!isPlainObject(update)) return {};
  const { $type: type, ...values } = update as Readonly<Record<string, JsonValue>>;
  if (type === "command") return valuesIn(values["update"]);
  if (type === "object") return Object.fromEntries(values["value"] as [string, JsonValue][]);
  return values;
}
