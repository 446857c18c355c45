import type { ApprovalView } from "../../../runtime/core/protocol.ts";
import { Badge } from "../ui/badge.tsx";
import { Ago } from "../ui/time.tsx";
import { APPROVAL_STATUS_WORDS } from "../ui/words.ts";
import { JsonView } from "../values/json-view.tsx";
import { summary } from "../values/summary.ts";
import { LongText, Text } from "../values/text.tsx";
import { Card } from "./card.tsx";
import { DecisionForm } from "./decision-form.tsx";
import { PeopleSoFar } from "./people-so-far.tsx";
import { TimeLeft } from "./time-left.tsx";

interface ApprovalCardProps {
  readonly approval: ApprovalView;
  readonly pointedAt: boolean;
  /** In a long list of settled ones, arguments are shown when asked for. */
  readonly folded?: boolean;
}

/** One held call, with everything that a decision needs in one glance. */
export function ApprovalCard({ approval, pointedAt, folded = false }: ApprovalCardProps) {
  const pending = approval.status === "pending";
  return (
    <Card
      tone={pending ? "wait" : null}
      title={
        <>
          <span className="card-name">{approval.agent}</span> {pending ? "wants" : "wanted"} to call{" "}
          <span className="card-name">{approval.tool}</span>
        </>
      }
      status={
        pending ? (
          <TimeLeft from={approval.requestedAt} until={approval.expiresAt} />
        ) : (
          <Badge {...APPROVAL_STATUS_WORDS[approval.status]} />
        )
      }
      act={
        <>
          <PeopleSoFar approval={approval} />
          <DecisionForm approval={approval} />
        </>
      }
      session={{ id: approval.session, key: approval.sessionKey, startedBy: approval.startedBy }}
      facts={[
        <>
          Held <Ago at={approval.requestedAt} />
        </>,
        <span key="hash" title={approval.argsHash}>
          Arguments <span className="mono">{approval.argsHash.slice(0, 12)}</span>
        </span>,
      ]}
      pointedAt={pointedAt}
    >
      <HeldBecause approval={approval} />
      {folded ? (
        <details className="folded">
          <summary>
            Called with <Text text={summary(approval.input, 100)} />
          </summary>
          <JsonView value={approval.input} />
        </details>
      ) : (
        <section>
          <h4>Called with</h4>
          <JsonView value={approval.input} />
        </section>
      )}
    </Card>
  );
}

function HeldBecause({ approval: { verdict } }: { readonly approval: ApprovalView }) {
  // The rules that would have let it pass are no reason to hold it.
  const holding = verdict.rules.filter((rule) => rule.effect !== "permit");
  return (
    <section>
      <h4>Held because</h4>
      <p className="card-reason">
        <LongText text={verdict.reason} />
      </p>
      <ul className="dim">
        {holding.map((rule) => (
          <li key={rule.id}>
            Rule{" "}
            <span className="mono">
              <Text text={rule.id} />
            </span>
            {rule.reason !== undefined && !verdict.reason.includes(rule.reason) && (
              <>
                : <LongText text={rule.reason} />
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
