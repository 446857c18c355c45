import { Link } from "@tanstack/react-router";
import { useEffect, useId, useRef } from "react";
import type { ApprovalView } from "../../../runtime/core/protocol.ts";
import { Badge } from "../ui/badge.tsx";
import { Ago } from "../ui/time.tsx";
import { actorWords, APPROVAL_STATUS_WORDS } from "../ui/words.ts";
import { JsonView } from "../values/json-view.tsx";
import { LongText, Text } from "../values/text.tsx";
import { DecisionForm } from "./decision-form.tsx";
import { PeopleSoFar } from "./people-so-far.tsx";
import { TimeLeft } from "./time-left.tsx";

interface ApprovalCardProps {
  readonly approval: ApprovalView;
  /** A link led here. */
  readonly pointedAt: boolean;
}

/** One held call, with everything that a decision needs in one glance. */
export function ApprovalCard({ approval, pointedAt }: ApprovalCardProps) {
  // The rules that would have let it pass are no reason to hold it.
  const holding = approval.verdict.rules.filter((rule) => rule.effect !== "permit");
  const card = useRef<HTMLElement>(null);
  const title = useId();
  const pending = approval.status === "pending";
  const word = APPROVAL_STATUS_WORDS[approval.status];
  useEffect(() => {
    if (pointedAt) card.current?.scrollIntoView({ block: "start" });
  }, [pointedAt]);
  return (
    <article
      ref={card}
      className={["card", pending ? "" : "settled", pointedAt ? "pointed" : ""].join(" ")}
      aria-labelledby={title}
    >
      <header className="card-head">
        <h3 id={title}>
          <span className="card-agent">{approval.agent}</span> {pending ? "wants" : "wanted"} to call{" "}
          <span className="card-tool">{approval.tool}</span>
        </h3>
        {pending ? <TimeLeft from={approval.requestedAt} until={approval.expiresAt} /> : <Badge {...word} />}
      </header>
      <div className="card-body">
        <div className="card-what">
          <section>
            <h4>With</h4>
            <JsonView value={approval.input} />
          </section>
          <section>
            <h4>Held because</h4>
            <p className="card-reason">
              <LongText text={approval.verdict.reason} />
            </p>
            <p className="dim">
              {holding.length === 1 ? "Rule " : "Rules "}
              {holding.map((rule, i) => (
                <span key={rule.id}>
                  {i > 0 && ", "}
                  <span className="mono">
                    <Text text={rule.id} />
                  </span>
                </span>
              ))}
            </p>
          </section>
        </div>
        <div className="card-decide">
          <PeopleSoFar approval={approval} />
          <DecisionForm approval={approval} />
        </div>
      </div>
      <footer className="card-foot">
        <span>
          Session started by <strong>{actorWords(approval.startedBy)}</strong>
        </span>
        <span>
          Held <Ago at={approval.requestedAt} />
        </span>
        <span title={approval.argsHash}>
          Arguments <span className="mono">{approval.argsHash.slice(0, 12)}</span>
        </span>
        <Link to="/sessions/$session" params={{ session: approval.session }}>
          What led to this
        </Link>
      </footer>
    </article>
  );
}
