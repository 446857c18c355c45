import type { ApprovalView } from "../../../runtime/core/protocol.ts";
import { ToneSign } from "../ui/icons.tsx";
import { Ago } from "../ui/time.tsx";
import { LongText } from "../values/text.tsx";

/** How many people must agree, and what those who have spoken said. */
export function PeopleSoFar({ approval }: { readonly approval: ApprovalView }) {
  const { approversNeeded, decisions, pool, status } = approval;
  const agreed = decisions.filter((decision) => decision.decision === "approve").length;
  const missing = Math.max(0, approversNeeded - agreed);
  return (
    <section className="people">
      <h4>
        {approversNeeded === 1 ? "One person" : `${String(approversNeeded)} people`} of pool{" "}
        <span className="pool">{pool}</span> {status === "pending" ? "must" : "had to"} agree
      </h4>
      <ul className="decisions">
        {decisions.map((decision) => (
          <li key={`${decision.by}${String(decision.at)}`}>
            <ToneSign tone={decision.decision === "approve" ? "good" : "bad"} />
            <span>
              <strong>{decision.by}</strong> {decision.decision === "approve" ? "approved" : "rejected"}{" "}
              <Ago at={decision.at} />
              {decision.reason !== "" && (
                <blockquote>
                  <LongText text={decision.reason} />
                </blockquote>
              )}
            </span>
          </li>
        ))}
        {status === "pending" && (
          <li className="dim">
            <ToneSign tone="wait" />
            <span>
              {agreed === 0
                ? "Nobody has decided yet"
                : missing === 1
                  ? "One more is needed"
                  : `${String(missing)} more are needed`}
            </span>
          </li>
        )}
        {status === "expired" && (
          <li className="dim">
            <ToneSign tone="bad" />
            <span>Not enough people decided in time. That counts as no.</span>
          </li>
        )}
      </ul>
    </section>
  );
}
