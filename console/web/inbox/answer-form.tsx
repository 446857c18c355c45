import { useMutation } from "@tanstack/react-query";
import { useId, useMemo, useRef, useState, type SubmitEvent } from "react";
import type { QuestionView } from "../../../runtime/core/protocol.ts";
import { isStatus } from "../client/errors.ts";
import { takeQuestion } from "../client/take-news.ts";
import type { Answer } from "../client/requests.ts";
import { useApp } from "../app/context.ts";
import { JsonView } from "../values/json-view.tsx";
import { answerFields, fieldName, readAnswer, type AnswerField, type Typed } from "./answer-fields.ts";
import { AnswerInput } from "./answer-input.tsx";
import { useCannotAct } from "./use-cannot-act.ts";

/**
 * The answer to a question, in the form that its schema asks for. What was typed is kept whatever
 * happens: when somebody else is faster, when it does not fit, when the server cannot be reached.
 */
export function AnswerForm({ question }: { readonly question: QuestionView }) {
  const { api, queryClient } = useApp();
  const cannotAct = useCannotAct();
  const fields = useMemo(() => answerFields(question.answer), [question.answer]);
  const [typed, setTyped] = useState<Typed>({});
  const [wrong, setWrong] = useState<{ readonly problem: string; readonly field: AnswerField }>();
  const form = useRef<HTMLFormElement>(null);
  const id = useId();
  const answer = useMutation({
    mutationFn: (body: Answer) => api.answer(question.question, body),
    onSuccess: (told) => takeQuestion(queryClient, told),
    onError: async (error) => {
      // Somebody was faster, or the run has ended: show who, and what they said.
      if (isStatus(error, 409)) takeQuestion(queryClient, await api.question(question.question));
    },
  });
  const send = (event: SubmitEvent): void => {
    event.preventDefault();
    const read = readAnswer(fields, typed);
    setWrong("problem" in read ? read : undefined);
    if ("answer" in read) {
      answer.mutate({ answer: read.answer });
      return;
    }
    const first = form.current?.elements.namedItem(`${id}${fieldName(read.field)}`);
    // Of a group of choices the browser gives the list.
    const field = first instanceof RadioNodeList ? first[0] : first;
    if (field instanceof HTMLElement) field.focus();
  };

  if (answer.isSuccess) {
    return (
      <p className="notice good" role="status">
        You answered. The agent goes on with your answer.
      </p>
    );
  }
  const lostRace = isStatus(answer.error, 409);
  const wrote = Object.values(typed).some((text) => text !== "");
  const cannot = cannotAct ?? question.cannotAnswer;
  const open = question.status === "open" && cannot === null;
  return (
    <div className="decision">
      {question.status !== "open" && (
        <p className={wrote ? "notice wait" : "dim"} role="status">
          {lostRace && "Your answer came too late. "}
          {outcomeWords(question)}
          {wrote && " What you wrote is kept below; it was not sent."}
        </p>
      )}
      {question.status === "open" && cannot !== null && <p className="notice">{cannot}</p>}
      {answer.isError && !lostRace && (
        <p className="notice bad" role="alert">
          Not sent: {answer.error.message} What you wrote is kept.
        </p>
      )}
      {(open || wrote) && (
        <form className="form" ref={form} onSubmit={send} aria-describedby={`${id}problem`}>
          {fields.map((field) => (
            <AnswerInput
              key={fieldName(field)}
              field={field}
              name={`${id}${fieldName(field)}`}
              text={typed[fieldName(field)] ?? ""}
              locked={!open}
              invalid={wrong?.field === field}
              type={(text) => setTyped({ ...typed, [fieldName(field)]: text })}
            />
          ))}
          {fields.some((field) => field.input.kind === "json") && (
            <details className="schema">
              <summary>The schema that the answer must fit</summary>
              <JsonView value={question.answer} />
            </details>
          )}
          <p id={`${id}problem`} className="field-error" role="alert">
            {wrong?.problem}
          </p>
          {open && (
            <>
              <div className="decision-buttons">
                <button type="submit" className="primary" disabled={answer.isPending}>
                  {answer.isPending ? "Sending…" : "Answer"}
                </button>
              </div>
              <p className="hint">The agent goes on with your answer. It stays on the record, with your name.</p>
            </>
          )}
        </form>
      )}
    </div>
  );
}

function outcomeWords({ status, answered }: QuestionView): string {
  if (status === "answered") return `${answered?.by ?? "Somebody"} answered. The agent goes on with that answer.`;
  return "The run has ended, so nobody has to answer any more.";
}
