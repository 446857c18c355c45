import { Link } from "@tanstack/react-router";
import { duration } from "../ui/duration.ts";
import { Clock, When } from "../ui/time.tsx";
import { actorWords, EFFECT_STATUS_WORDS } from "../ui/words.ts";
import { JsonView } from "../values/json-view.tsx";
import { LongText } from "../values/text.tsx";
import { questionOf, type ApprovalPart, type EffectEntry } from "./entries.ts";
import { Part } from "./part.tsx";

/** What people were asked, and the way to the answer while it is open. */
export function QuestionDetails({ entry }: { readonly entry: EffectEntry }) {
  const question = questionOf(entry);
  return (
    <>
      <Part title="Question">
        <p>{question === undefined ? <JsonView value={entry.proposal.input} /> : <LongText text={question} />}</p>
      </Part>
      {(entry.by !== undefined || entry.status === "started") && (
        <Part title="People">
          {entry.by !== undefined ? (
            <p>
              <strong>{actorWords(entry.by)}</strong> answered
              {entry.ms !== undefined && <> after {duration(entry.ms)}</>}.
            </p>
          ) : (
            <p>
              Asked at <Clock at={entry.at} />, and not answered yet.{" "}
              {entry.effectId !== undefined && (
                <Link to="/inbox" search={{ question: entry.effectId }}>
                  Open the question
                </Link>
              )}
            </p>
          )}
        </Part>
      )}
    </>
  );
}

/** How long a call was held, and what people decided. */
export function ApprovalDetails({ approval }: { readonly approval: ApprovalPart }) {
  const { decided } = approval;
  return (
    <Part title="People">
      {decided === undefined ? (
        <p>
          Held at <Clock at={approval.heldAt} />, expires <When at={approval.expiresAt} />.{" "}
          <Link to="/inbox" search={{ approval: approval.approval }}>
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
