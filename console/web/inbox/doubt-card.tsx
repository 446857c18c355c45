import { useMutation } from "@tanstack/react-query";
import type { DoubtView } from "../../../runtime/core/protocol.ts";
import type { ResolveDoubt } from "../client/requests.ts";
import { isStatus } from "../client/errors.ts";
import { doubtsKey } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { Badge } from "../ui/badge.tsx";
import { Ago } from "../ui/time.tsx";
import { JsonView } from "../values/json-view.tsx";
import { LongText } from "../values/text.tsx";
import { Card } from "./card.tsx";
import { DOUBT_CHOICES, DoubtForm } from "./doubt-form.tsx";
import { useCannotAct } from "./use-cannot-act.ts";

interface DoubtCardProps {
  readonly doubt: DoubtView;
  readonly settled: boolean;
  readonly pointedAt: boolean;
}

/** A call whose end nobody recorded, and the three ways in which a person can settle it. */
export function DoubtCard({ doubt, settled, pointedAt }: DoubtCardProps) {
  const { api, queryClient } = useApp();
  const cannotAct = useCannotAct();
  const resolve = useMutation({
    mutationFn: (body: ResolveDoubt) => api.resolveDoubt(body),
    onSettled: (_data, error) => {
      if (error === null || isStatus(error, 409)) void queryClient.invalidateQueries({ queryKey: doubtsKey });
    },
  });
  const done = DOUBT_CHOICES.find((choice) => resolve.isSuccess && choice.resolution === resolve.variables.resolution);
  const gone = settled && !resolve.isSuccess;
  const over = settled || done !== undefined;
  return (
    <Card
      tone={over ? null : "doubt"}
      title={
        <>
          Did <span className="card-name">{doubt.agent}</span>’s call of <span className="card-name">{doubt.tool}</span>{" "}
          happen?
        </>
      }
      status={over ? <Badge tone="quiet" text="Settled" /> : <Badge tone="doubt" text="In doubt" />}
      act={
        <>
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
          {!over && cannotAct !== null && <p className="notice">{cannotAct}</p>}
          {done === undefined && cannotAct === null && (
            <DoubtForm doubt={doubt} locked={gone} pending={resolve.isPending} submit={resolve.mutate} />
          )}
        </>
      }
      session={{ id: doubt.session, key: doubt.sessionKey }}
      facts={[
        <>
          In doubt since <Ago at={doubt.since} />
        </>,
        <span key="key" title={doubt.effectId}>
          Idempotency key <span className="mono">{doubt.effectId.slice(0, 13)}</span>
        </span>,
      ]}
      pointedAt={pointedAt}
    >
      <section>
        <h4>In doubt because</h4>
        <p className="card-reason">
          <LongText text={doubt.reason} />
        </p>
      </section>
      <section>
        <h4>Called with</h4>
        <JsonView value={doubt.input} />
      </section>
    </Card>
  );
}
