import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useId } from "react";
import type { DoubtView } from "../../../runtime/core/protocol.ts";
import type { ResolveDoubt } from "../client/requests.ts";
import { isStatus } from "../client/errors.ts";
import { doubtsKey } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { Badge } from "../ui/badge.tsx";
import { Ago } from "../ui/time.tsx";
import { JsonView } from "../values/json-view.tsx";
import { LongText } from "../values/text.tsx";
import { DOUBT_CHOICES, DoubtForm } from "./doubt-form.tsx";

/** A call whose end nobody recorded, and the three ways in which a person can settle it. */
export function DoubtCard({ doubt, settled }: { readonly doubt: DoubtView; readonly settled: boolean }) {
  const { api, queryClient } = useApp();
  const title = useId();
  const resolve = useMutation({
    mutationFn: (body: ResolveDoubt) => api.resolveDoubt(body),
    onSettled: (_data, error) => {
      if (error === null || isStatus(error, 409)) void queryClient.invalidateQueries({ queryKey: doubtsKey });
    },
  });
  const done = DOUBT_CHOICES.find((choice) => resolve.isSuccess && choice.resolution === resolve.variables.resolution);
  const gone = settled && !resolve.isSuccess;
  return (
    <article className={settled || done !== undefined ? "card settled" : "card doubt"} aria-labelledby={title}>
      <header className="card-head">
        <h3 id={title}>
          Did <span className="card-agent">{doubt.agent}</span>’s call of{" "}
          <span className="card-tool">{doubt.tool}</span> happen?
        </h3>
        {settled || done !== undefined ? <Badge tone="quiet" text="Settled" /> : <Badge tone="doubt" text="In doubt" />}
      </header>
      <div className="card-body">
        <div className="card-what">
          <section>
            <h4>Called with</h4>
            <JsonView value={doubt.input} />
          </section>
          <section>
            <h4>In doubt because</h4>
            <p className="card-reason">
              <LongText text={doubt.reason} />
            </p>
          </section>
        </div>
        <div className="card-decide">
          {done !== undefined && (
            <p className="notice good" role="status">
              Recorded: {done.text.toLowerCase()}. {done.then}
            </p>
          )}
          {gone && (
            <p className="notice wait" role="status">
              This was settled meanwhile, by somebody else or by the tool’s own books. See the session. What you wrote
              is kept below; it was not sent.
            </p>
          )}
          {resolve.isError && !isStatus(resolve.error, 409) && (
            <p className="notice bad" role="alert">
              Not sent: {resolve.error.message} What you wrote is kept.
            </p>
          )}
          {done === undefined && (
            <DoubtForm doubt={doubt} locked={gone} pending={resolve.isPending} submit={resolve.mutate} />
          )}
        </div>
      </div>
      <footer className="card-foot">
        <span>
          Since <Ago at={doubt.since} />
        </span>
        <span title={doubt.effectId}>
          Idempotency key <span className="mono">{doubt.effectId.slice(0, 13)}</span>
        </span>
        <Link to="/sessions/$session" params={{ session: doubt.session }}>
          What led to this
        </Link>
      </footer>
    </article>
  );
}
