import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Verdict } from "../../../runtime/core/verdict.ts";
import { Badge } from "../ui/badge.tsx";
import { duration } from "../ui/duration.ts";
import { VerdictView } from "../ui/verdict.tsx";
import { actorWords, CLASS_WORDS, effectWord } from "../ui/words.ts";
import { JsonView } from "../values/json-view.tsx";
import { LongText } from "../values/text.tsx";
import { callName, type EffectEntry, type EffectStatus } from "./entries.ts";
import { ErrorView, Part } from "./part.tsx";
import { ApprovalDetails, QuestionDetails } from "./people-details.tsx";

/** One call in full: with what, what came back, what the rules and people said. */
export function EffectDetails({ entry }: { readonly entry: EffectEntry }) {
  const word = effectWord(entry);
  const parts = [<Input key="input" entry={entry} />, <Outcome key="outcome" entry={entry} />];
  const judged = [<Doubt key="doubt" entry={entry} />, <Rules key="rules" entry={entry} />];
  return (
    <>
      <header className="details-head">
        <h2>{callName(entry)}</h2>
        <Badge tone={word.tone} text={word.text} />
      </header>
      {/* Of a call that did not simply happen, why is the first question. */}
      {WITH_A_WHY.has(entry.status) ? [...judged, ...parts] : [...parts, ...judged]}
      <EffectFacts entry={entry} />
    </>
  );
}

const WITH_A_WHY: ReadonlySet<EffectStatus> = new Set(["held", "refused", "rejected", "expired", "in_doubt"]);

interface PartProps {
  readonly entry: EffectEntry;
}

function Input({ entry }: PartProps) {
  if (entry.proposal.kind === "human") return <QuestionDetails entry={entry} />;
  return (
    <Part title="Called with">
      <JsonView value={entry.proposal.input} />
    </Part>
  );
}

function Outcome({ entry: { outcome, proposal } }: PartProps) {
  if (outcome === undefined) return null;
  return outcome.ok ? (
    <Part title={proposal.kind === "human" ? "Answer" : "Came back"}>
      <JsonView value={outcome.value} />
    </Part>
  ) : (
    <Part title="Failed with">
      <ErrorView error={outcome.error} />
    </Part>
  );
}

function Rules({ entry }: PartProps) {
  return (
    <>
      {entry.verdicts.length > 0 && (
        <Part title="Rules">
          {distinct(entry.verdicts).map((verdict, i) => (
            <VerdictView key={i} verdict={verdict} {...(i > 0 ? { note: "Judged again after the wait" } : {})} />
          ))}
        </Part>
      )}
      {entry.approval !== undefined && <ApprovalDetails approval={entry.approval} />}
    </>
  );
}

function Doubt({ entry }: PartProps) {
  const { doubt, resolved } = entry;
  if (doubt === undefined) return null;
  return (
    <Part title="In doubt">
      <p>
        <LongText text={doubt} />
      </p>
      {resolved === undefined ? (
        <p>
          <Link to="/inbox" search={{ doubt: `${entry.run}/${entry.proposal.effect}` }}>
            Settle it
          </Link>
        </p>
      ) : (
        <p>
          {actorWords(resolved.by)}: {RESOLUTION_WORDS[resolved.resolution]}. <LongText text={resolved.reason} />
        </p>
      )}
    </Part>
  );
}

const RESOLUTION_WORDS = {
  happened: "it happened",
  did_not_happen: "it did not happen, try again",
  give_up: "give up",
} as const;

const VIA_WORDS = {
  call: "the call itself",
  reconcile: "the tool's own books, after a crash",
  operator: "a person",
  answer: "the answering agent",
  timer: "its time has come",
  message: "the message that came",
  undelivered: "it could not be brought to anybody",
  withdrawn: "it was not wanted any more",
} as const;

/** Judged again to the same end says nothing new. */
function distinct(verdicts: readonly Verdict[]): readonly Verdict[] {
  return verdicts.filter((verdict, i) => i === 0 || JSON.stringify(verdict) !== JSON.stringify(verdicts[i - 1]));
}

function EffectFacts({ entry }: { readonly entry: EffectEntry }) {
  const { proposal } = entry;
  const facts: [string, ReactNode][] = [
    ["Agent", entry.agent],
    ["Node", entry.nodeName],
    ["Kind", proposal.kind],
    ["Effect class", CLASS_WORDS[proposal.class]],
  ];
  if (proposal.version !== undefined) facts.push(["Tool version", <span className="mono">{proposal.version}</span>]);
  if (entry.ms !== undefined) facts.push(["Took", duration(entry.ms)]);
  if (entry.via !== undefined) facts.push(["Its end is known from", VIA_WORDS[entry.via]]);
  if (entry.repeated > 0) facts.push(["Made", `${String(entry.repeated + 1)} times`]);
  if (entry.effectId !== undefined) facts.push(["Idempotency key", <span className="mono">{entry.effectId}</span>]);
  return (
    <Part title="Facts">
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </Part>
  );
}
