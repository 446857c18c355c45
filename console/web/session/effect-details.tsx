import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Verdict } from "../../../runtime/core/verdict.ts";
import { Badge } from "../ui/badge.tsx";
import { duration } from "../ui/duration.ts";
import { Clock, When } from "../ui/time.tsx";
import { VerdictView } from "../ui/verdict.tsx";
import { actorWords, CLASS_WORDS, EFFECT_STATUS_WORDS, effectWord } from "../ui/words.ts";
import { JsonView } from "../values/json-view.tsx";
import { LongText } from "../values/text.tsx";
import { callName, type ApprovalPart, type EffectEntry } from "./entries.ts";
import { ErrorView, Part } from "./part.tsx";

/** One call in full: with what, what came back, what the rules and people said. */
export function EffectDetails({ entry }: { readonly entry: EffectEntry }) {
  const { proposal, outcome } = entry;
  const word = effectWord(entry);
  return (
    <>
      <header className="details-head">
        <h2>{callName(entry)}</h2>
        <Badge tone={word.tone} text={word.text} />
      </header>
      <Part title="Called with">
        <JsonView value={proposal.input} />
      </Part>
      {outcome !== undefined && (
        <Part title={outcome.ok ? "Came back" : "Failed with"}>
          {outcome.ok ? <JsonView value={outcome.value} /> : <ErrorView error={outcome.error} />}
        </Part>
      )}
      {entry.verdicts.length > 0 && (
        <Part title="Rules">
          {distinct(entry.verdicts).map((verdict, i) => (
            <VerdictView key={i} verdict={verdict} {...(i > 0 ? { note: "Judged again after the wait" } : {})} />
          ))}
        </Part>
      )}
      {entry.approval !== undefined && <ApprovalDetails approval={entry.approval} />}
      {entry.doubt !== undefined && (
        <Part title="In doubt">
          <p>
            <LongText text={entry.doubt} />
          </p>
          {entry.resolved !== undefined && (
            <p>
              {actorWords(entry.resolved.by)}: {RESOLUTION_WORDS[entry.resolved.resolution]}.{" "}
              <LongText text={entry.resolved.reason} />
            </p>
          )}
        </Part>
      )}
      <EffectFacts entry={entry} />
    </>
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
} as const;

/** Judged again to the same end says nothing new. */
function distinct(verdicts: readonly Verdict[]): readonly Verdict[] {
  return verdicts.filter((verdict, i) => i === 0 || JSON.stringify(verdict) !== JSON.stringify(verdicts[i - 1]));
}

function ApprovalDetails({ approval }: { readonly approval: ApprovalPart }) {
  const { decided } = approval;
  return (
    <Part title="People">
      {decided === undefined ? (
        <p>
          Held at <Clock at={approval.heldAt} />, expires <When at={approval.expiresAt} />.{" "}
          <Link to="/approvals" search={{ approval: approval.approval }}>
            Open the approval
          </Link>
        </p>
      ) : (
        <>
          <p>
            {EFFECT_STATUS_WORDS[decided.outcome].text}
            {decided.decisions.length > 0 && (
              <> after {duration((decided.decisions.at(-1)?.at ?? approval.heldAt) - approval.heldAt)}</>
            )}
            .
          </p>
          <ul className="decisions">
            {decided.decisions.map((decision) => (
              <li key={`${decision.by.id}${String(decision.at)}`}>
                <strong>{actorWords(decision.by)}</strong> {decision.decision === "approve" ? "approved" : "rejected"}{" "}
                at <Clock at={decision.at} />
                {decision.reason !== "" && (
                  <blockquote>
                    <LongText text={decision.reason} />
                  </blockquote>
                )}
              </li>
            ))}
          </ul>
        </>
      )}
    </Part>
  );
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
