import { effectNameOf } from "../core/effects.ts";
import type { EventData, JournalEvent } from "../core/events.ts";
import type { Verdict } from "../core/verdict.ts";
import { brief, visible } from "./output.ts";

/** Where a call's end is known from, if not from the call itself. */
const VIA = {
  call: "",
  answer: "",
  reconcile: " (found by asking afterwards)",
  operator: " (by an operator's word)",
  timer: " (its time has come)",
  message: " (a message came)",
  undelivered: " (it could not be brought to anybody)",
  withdrawn: " (not wanted any more)",
} as const;

/** One event in a sentence, for a terminal. */
export function describeEvent(event: JournalEvent): string {
  switch (event.type) {
    case "run_started":
      return event.data.message
        ? `started by a message from ${visible(event.data.message.from)}${on(event.data.message)}: ${brief(event.data.input)}`
        : `started by ${event.data.startedBy.id} with ${brief(event.data.input)}`;
    case "attempt_started":
      return event.data.epoch === 1 ? `taken by ${event.data.worker}` : `taken up again by ${event.data.worker}`;
    case "node_finished":
      return `node ${event.data.node} finished: ${brief(event.data.update)}`;
    case "node_failed":
      return `node ${event.data.node} failed: ${visible(event.data.error.message)}`;
    case "node_retried":
      return `node ${event.data.node} failed and runs again at ${time(event.data.dueAt)}: ${visible(event.data.error.message)}`;
    case "route_taken":
      return `went on to ${brief(event.data.to)}`;
    case "superstep_finished":
      return `superstep ${String(event.data.step)} finished, changed ${Object.keys(event.data.changes).join(", ") || "nothing"}`;
    case "snapshot_taken":
      return `a snapshot of ${String(event.data.bytes)} bytes was taken after superstep ${String(event.data.step)}`;
    case "effect_recorded":
      return `${event.data.name} ${brief(event.data.input)} → ${outcome(event.data.outcome)}${verdict(event.data.verdict)}`;
    case "effect_refused":
      return `${event.data.name} ${brief(event.data.input)} was refused${verdict(event.data.verdict)}`;
    case "effect_held":
      return `${event.data.name} ${brief(event.data.input)} waits for people${verdict(event.data.verdict)}`;
    case "effect_intended":
      return `${event.data.name} ${brief(event.data.input)} is about to be called${verdict(event.data.verdict)}`;
    case "message_awaited":
      return `waits for a message ${brief(event.data.input)}`;
    case "message_received":
      return `${event.data.kind} received from ${visible(event.data.from)}${on(event.data)}`;
    case "timer_set":
      return `sleeps until ${time(event.data.dueAt)}`;
    case "effect_retried":
      return `${event.data.name} ${brief(event.data.input)} failed and is called again at ${time(event.data.dueAt)}: ${visible(event.data.error.message)}`;
    case "effect_repeated":
      return `${effectNameOf(event.data.effect)} is repeated after ${event.data.why === "crash" ? "a crash" : "an operator's word"}`;
    case "effect_finished":
      return `${effectNameOf(event.data.effect)} → ${outcome(event.data.outcome)}${event.data.by ? ` (by ${visible(event.data.by.id)})` : VIA[event.data.via]}`;
    case "effect_doubted":
      return `${effectNameOf(event.data.effect)} is in doubt: ${visible(event.data.reason)}`;
    case "doubt_resolved":
      return `${visible(event.data.by.id)} settled the doubt about ${effectNameOf(event.data.effect)}: ${event.data.resolution} (${visible(event.data.reason)})`;
    case "approval_decided":
      return `${effectNameOf(event.data.effect)} was ${event.data.outcome}${event.data.decisions.map((one) => `, ${visible(one.by.id)}: ${one.decision}${one.reason ? ` (${visible(one.reason)})` : ""}`).join("")}`;
    case "message_sent":
      return `${event.data.kind} sent to ${event.data.to} on ${event.data.subject}${on(event.data)}`;
    case "run_parked":
      return parked(event.data);
    case "cancel_requested":
      return `${visible(event.data.by.id)} asked that it end: ${visible(event.data.reason)}`;
    case "run_quarantined":
      return `put in quarantine: it crashed ${String(event.data.crashes)} workers that did nothing else`;
    case "run_released":
      return `released by ${visible(event.data.by.id)}: ${visible(event.data.reason)}`;
    case "run_cancelled":
      return `cancelled by ${visible(event.data.by.id)}: ${visible(event.data.reason)}`;
    case "run_finished":
      return `finished with ${brief(event.data.output)}`;
    case "run_failed":
      return `failed: ${visible(event.data.error.message)}`;
  }
}

/** What a message was published on, and its queue, where it has them. */
function on({ topic, key }: { readonly topic?: string | undefined; readonly key?: string | undefined }): string {
  const parts = [...(topic === undefined ? [] : [`topic ${topic}`]), ...(key === undefined ? [] : [`key ${key}`])];
  return parts.length === 0 ? "" : visible(` (${parts.join(", ")})`);
}

/** For much at once: "approval, human (3)". */
function parked({ waits, over }: EventData<"run_parked">): string {
  const counts = new Map<string, number>();
  for (const { kind } of waits) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const kinds = [...counts].map(([kind, count]) => (count === 1 ? kind : `${kind} (${String(count)})`)).join(", ");
  if (over === undefined) return `parked, waits for ${kinds}`;
  const added = kinds === "" ? "" : `, and for ${kinds}`;
  return `parked again, waits for all that it waited for apart from ${String(over.length)}${added}`;
}

function outcome(of: { ok: true; value: unknown } | { ok: false; error: { message: string } }): string {
  return of.ok ? brief(of.value) : `error: ${visible(of.error.message)}`;
}

function verdict(of: Verdict | undefined): string {
  if (!of) return "";
  const rules = of.rules.map((rule) => rule.id).join(", ");
  return ` [${of.decision}${rules === "" ? "" : ` by ${rules}`}]`;
}

function time(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}
