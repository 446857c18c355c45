import { useMutation, useQuery } from "@tanstack/react-query";
import { useId, useRef, useState } from "react";
import type { ApprovalView } from "../../../runtime/core/protocol.ts";
import type { Decide } from "../client/requests.ts";
import { isStatus } from "../client/errors.ts";
import { takeApproval } from "../client/take-news.ts";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import { useCannotAct } from "./use-cannot-act.ts";
import { outcomeWords } from "./outcome-words.ts";

/**
 * Approve or reject. What was typed is kept whatever happens: when somebody else is faster, when the
 * server cannot be reached, when the time runs out.
 */
export function DecisionForm({ approval }: { readonly approval: ApprovalView }) {
  const { api, queryClient } = useApp();
  const cannotAct = useCannotAct();
  const { data: me } = useQuery(queries.me(api));
  const [reason, setReason] = useState("");
  const [reasonMissing, setReasonMissing] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const ids = { reason: useId(), error: useId() };
  const decide = useMutation({
    mutationFn: (body: Decide) => api.decide(approval.approval, body),
    onSuccess: (told) => takeApproval(queryClient, told),
    onError: async (error) => {
      // Somebody was faster, or it has moved on: show who and what.
      if (isStatus(error, 409)) takeApproval(queryClient, await api.approval(approval.approval));
    },
  });
  const send = (decision: "approve" | "reject"): void => {
    if (decision === "reject" && reason.trim() === "") {
      setReasonMissing(true);
      field.current?.focus();
      return;
    }
    // The hash of what is shown here: if the call is another one by now, the server refuses.
    decide.mutate({ decision, reason: reason.trim(), argsHash: approval.argsHash });
  };

  const mine = decide.isSuccess;
  const lostRace = isStatus(decide.error, 409);
  const cannot = cannotAct ?? approval.cannotDecide;
  const open = approval.status === "pending" && !mine && cannot === null;
  return (
    <div className="decision">
      {mine && (
        <p className="notice good" role="status">
          {approval.status === "pending" && "You approved. "}
          {outcomeWords(approval, me?.name)}
        </p>
      )}
      {!mine && approval.status !== "pending" && (
        <p className={lostRace || reason !== "" ? "notice wait" : "dim"} role="status">
          {lostRace && "Your decision came too late. "}
          {outcomeWords(approval)}
          {(lostRace || reason !== "") && reason !== "" && " What you wrote is kept below; it was not sent."}
        </p>
      )}
      {!mine && approval.status === "pending" && cannot !== null && <p className="notice">{cannot}</p>}
      {decide.isError && !lostRace && (
        <p className="notice bad" role="alert">
          Not sent: {decide.error.message} What you wrote is kept.
        </p>
      )}
      {(open || (!mine && reason !== "")) && (
        <label className="form-field" htmlFor={ids.reason}>
          <span>
            Reason <span className="dim">(needed to reject)</span>
          </span>
          <textarea
            id={ids.reason}
            ref={field}
            rows={2}
            maxLength={2000}
            value={reason}
            readOnly={!open}
            aria-invalid={reasonMissing}
            aria-describedby={ids.error}
            onChange={(event) => {
              setReason(event.target.value);
              setReasonMissing(false);
            }}
          />
          <span id={ids.error} className="field-error" role="alert">
            {reasonMissing && "Say why. The agent and the record get these words."}
          </span>
        </label>
      )}
      {open && <p className="hint">{whatFollows(approval)}</p>}
      {open && (
        <div className="decision-buttons">
          <button type="button" className="primary" disabled={decide.isPending} onClick={() => send("approve")}>
            Approve
          </button>
          <button type="button" className="danger" disabled={decide.isPending} onClick={() => send("reject")}>
            Reject
          </button>
          {decide.isPending && (
            <span className="dim" role="status">
              Sending…
            </span>
          )}
        </div>
      )}
    </div>
  );
}

/** What each decision leads to, before it is made. */
function whatFollows({ approversNeeded, decisions, tool }: ApprovalView): string {
  const missing = approversNeeded - decisions.filter((decision) => decision.decision === "approve").length;
  const approve =
    missing > 1
      ? `Approve: you are one of ${String(missing)} people who still have to agree.`
      : `Approve: ${tool} is called once, with exactly these arguments.`;
  return `${approve} Reject: it is not called, and the agent is told why.`;
}
