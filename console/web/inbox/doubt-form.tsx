import { useId, useState, type SubmitEvent } from "react";
import type { DoubtView } from "../../../runtime/core/protocol.ts";
import type { ResolveDoubt } from "../client/requests.ts";
import { parseJson } from "./parse-json.ts";

type Resolution = ResolveDoubt["resolution"];

/** The three ways in which a person can settle a doubt, and what follows from each. */
export const DOUBT_CHOICES: readonly {
  readonly resolution: Resolution;
  readonly text: string;
  readonly then: string;
}[] = [
  { resolution: "happened", text: "It happened", then: "The agent goes on with the result that you give." },
  { resolution: "did_not_happen", text: "It did not happen, try again", then: "The call is made once more." },
  { resolution: "give_up", text: "Give up", then: "The call counts as failed; the agent is told so." },
];

interface DoubtFormProps {
  readonly doubt: DoubtView;
  readonly locked: boolean;
  readonly pending: boolean;
  readonly submit: (body: ResolveDoubt) => void;
}

export function DoubtForm({ doubt, locked, pending, submit }: DoubtFormProps) {
  const [resolution, setResolution] = useState<Resolution>();
  const [result, setResult] = useState("");
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState("");
  const ids = { group: useId(), problem: useId() };
  const send = (event: SubmitEvent): void => {
    event.preventDefault();
    const filled = fill(doubt, resolution, result, reason.trim());
    setProblem("problem" in filled ? filled.problem : "");
    if ("body" in filled) submit(filled.body);
  };
  return (
    <form className="form" onSubmit={send} aria-describedby={ids.problem}>
      <fieldset className="choices" disabled={locked}>
        <legend>What is true?</legend>
        {DOUBT_CHOICES.map((choice) => (
          <label key={choice.resolution} className="choice">
            <input
              type="radio"
              name={ids.group}
              checked={resolution === choice.resolution}
              onChange={() => setResolution(choice.resolution)}
            />
            <span>
              {choice.text}
              <span className="dim">{choice.then}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {resolution === "happened" && (
        <label className="form-field">
          <span>
            What it returned <span className="dim">(JSON, as the tool would have given it)</span>
          </span>
          <textarea
            className="mono"
            rows={3}
            spellCheck={false}
            readOnly={locked}
            value={result}
            onChange={(event) => setResult(event.target.value)}
          />
        </label>
      )}
      <label className="form-field">
        <span>How do you know?</span>
        <textarea
          rows={2}
          maxLength={2000}
          readOnly={locked}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
      </label>
      <p id={ids.problem} className="field-error" role="alert">
        {problem}
      </p>
      {!locked && (
        <div className="decision-buttons">
          <button type="submit" className="primary" disabled={pending}>
            {pending ? "Sending…" : "Record this"}
          </button>
        </div>
      )}
    </form>
  );
}

/** What is sent; or what is still missing. */
function fill(
  doubt: DoubtView,
  resolution: Resolution | undefined,
  result: string,
  reason: string,
): { readonly body: ResolveDoubt } | { readonly problem: string } {
  if (resolution === undefined) return { problem: "Choose what is true." };
  const body = { run: doubt.run, effect: doubt.effect, resolution, reason };
  if (resolution === "happened" && result.trim() === "") {
    return { problem: "Give the result that it happened with, as JSON." };
  }
  const read = resolution === "happened" ? parseJson(result, "The result") : undefined;
  if (read !== undefined && "problem" in read) return read;
  if (reason === "") return { problem: "Say how you know. These words go on the record." };
  return { body: read === undefined ? body : { ...body, result: read.value } };
}
