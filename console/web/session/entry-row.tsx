import type { JsonValue } from "../../../runtime/core/json.ts";
import { Badge } from "../ui/badge.tsx";
import { duration } from "../ui/duration.ts";
import { ToneSign } from "../ui/icons.tsx";
import { Clock } from "../ui/time.tsx";
import { actorWords, count, DECISION_WORDS, effectWord, startedWords } from "../ui/words.ts";
import { summary } from "../values/summary.ts";
import { Text } from "../values/text.tsx";
import { callName, questionOf, type EffectEntry, type Entry, type Milestone } from "./entries.ts";

interface EntryRowProps {
  readonly entry: Entry;
  readonly later: boolean;
  readonly current: boolean;
  readonly hue: number;
  readonly choose: (key: string) => void;
}

export function EntryRow({ entry, later, current, hue, choose }: EntryRowProps) {
  const classes = ["entry", entry.kind, later ? "later" : "", `depth-${String(Math.min(entry.depth, 4))}`];
  return (
    <li>
      <button
        type="button"
        className={classes.filter((name) => name !== "").join(" ")}
        aria-current={current}
        onClick={() => choose(entry.key)}
      >
        <span className="entry-time">
          <Clock at={entry.at} />
        </span>
        <span className={`entry-agent hue-${String(hue)}`}>{entry.agent}</span>
        {entry.kind === "effect" ? <EffectCells entry={entry} /> : <MilestoneCells entry={entry} />}
        {later && <span className="unseen">, later than the point where you stand</span>}
      </button>
    </li>
  );
}

function EffectCells({ entry }: { readonly entry: EffectEntry }) {
  const { proposal, ms, via } = entry;
  const word = effectWord(entry);
  return (
    <>
      <span className="entry-what">
        <span className="entry-call">
          <span className="entry-name">{callName(entry)}</span>{" "}
          <span className="entry-input">{summary(questionOf(entry) ?? proposal.input)}</span>
        </span>
        <Result entry={entry} />
      </span>
      <span className="entry-judged">
        <Rules entry={entry} />
        <People entry={entry} />
      </span>
      <span className="entry-status">
        <Badge tone={word.tone} text={word.text} />
        {/* What was learnt from the tool's books or from a person says nothing of how long the call took. */}
        {ms !== undefined && (via === "call" || via === "answer" || via === undefined || proposal.kind === "human") && (
          <span className="entry-took">{duration(ms)}</span>
        )}
        <Marks entry={entry} />
      </span>
    </>
  );
}

function Result({ entry: { outcome, status, verdicts, doubt } }: { readonly entry: EffectEntry }) {
  if (status === "in_doubt" && doubt !== undefined) {
    return (
      <span className="entry-result why doubt">
        <Text text={doubt} />
      </span>
    );
  }
  if (outcome !== undefined) {
    return outcome.ok ? (
      <span className="entry-result">
        <span className="unseen">gave </span>
        <span aria-hidden="true">→ </span>
        {summary(outcome.value) || "nothing"}
      </span>
    ) : (
      <span className="entry-result why bad">
        <Text text={`${outcome.error.name}: ${outcome.error.message}`} />
      </span>
    );
  }
  const reason = verdicts.at(-1)?.reason;
  if (reason === undefined || status === "started") return null;
  return (
    <span className={status === "refused" || status === "rejected" ? "entry-result why bad" : "entry-result why"}>
      <Text text={reason} />
    </span>
  );
}

function Rules({ entry: { verdicts } }: { readonly entry: EffectEntry }) {
  // The first verdict is why it was held; the one after the wait only lets it go on.
  const verdict = verdicts[0];
  if (verdict === undefined) return null;
  const word = DECISION_WORDS[verdict.decision];
  // Rules that would have let it pass are not why it did not.
  const rules = verdict.rules.filter((rule) => verdict.decision === "allow" || rule.effect !== "permit");
  const ids = rules.map((rule) => rule.id).join(", ");
  return (
    <span className="entry-rules" title={`${word.text}: ${verdict.reason}`}>
      <ToneSign tone={word.tone} />
      <span className="unseen">{word.text} by </span>
      <span className="mono">{ids === "" ? "no rule" : ids}</span>
    </span>
  );
}

function People({ entry: { approval, by, proposal, status } }: { readonly entry: EffectEntry }) {
  if (proposal.kind === "human") {
    return by === undefined ? null : <span className="entry-people">answered by {actorWords(by)}</span>;
  }
  if (approval === undefined) return null;
  const { decided } = approval;
  if (decided === undefined) return status === "held" ? <span className="entry-people">waits for people</span> : null;
  if (decided.outcome === "expired") return <span className="entry-people">nobody decided in time</span>;
  const people = decided.decisions
    .filter((decision) => (decision.decision === "approve") === (decided.outcome === "approved"))
    .map((decision) => actorWords(decision.by));
  return (
    <span className="entry-people">
      {decided.outcome} by {people.join(", ")}
    </span>
  );
}

function Marks({ entry }: { readonly entry: EffectEntry }) {
  return (
    <>
      {entry.repeated > 0 && <span className="entry-mark">made {count(entry.repeated + 1, "time")}</span>}
      {entry.via === "reconcile" && <span className="entry-mark">recovered</span>}
      {entry.via === "operator" && entry.proposal.kind !== "human" && (
        <span className="entry-mark">settled by a person</span>
      )}
    </>
  );
}

function MilestoneCells({ entry }: { readonly entry: Milestone }) {
  return (
    <span className="entry-what">
      <MilestoneText what={entry.what} ofSession={entry.depth === 0} />
    </span>
  );
}

function MilestoneText({ what, ofSession }: Pick<Milestone, "what"> & { readonly ofSession: boolean }) {
  switch (what.type) {
    case "run_started":
      return (
        <span className="entry-call">
          {startedWords(what)}
          <With value={what.input} />
        </span>
      );
    case "run_taken_over":
      return (
        <span className="entry-call recovered">
          {what.worker} took over after {what.before} stopped
        </span>
      );
    case "node_failed":
      return (
        <span className="entry-call end bad">
          node {what.name} failed: <Text text={what.error.message} />
        </span>
      );
    case "node_retried":
      return (
        <span className="entry-call recovered">
          node {what.name} failed and runs again: <Text text={what.error.message} />
        </span>
      );
    case "run_quarantined":
      return (
        <span className="entry-call end bad">
          put in quarantine: it crashed {count(what.crashes, "worker")} that did nothing else
        </span>
      );
    case "cancel_requested":
      return (
        <span className="entry-call">
          {actorWords(what.by)} asked that it end: <Text text={what.reason} />
        </span>
      );
    case "run_released":
      return (
        <span className="entry-call recovered">
          released from quarantine by {actorWords(what.by)}: <Text text={what.reason} />
        </span>
      );
    case "run_finished":
      return (
        <span className={ofSession ? "entry-call end" : "entry-call"}>
          finished
          <With value={what.output} />
        </span>
      );
    case "run_failed":
      return (
        <span className="entry-call end bad">
          failed: <Text text={what.error.message} />
        </span>
      );
    case "run_cancelled":
      return (
        <span className="entry-call end">
          cancelled by {actorWords(what.by)}: <Text text={what.reason} />
        </span>
      );
  }
}

function With({ value }: { readonly value: JsonValue }) {
  const text = summary(value, 320);
  return text === "" ? null : (
    <>
      {" with "}
      <span className="entry-input">{text}</span>
    </>
  );
}
