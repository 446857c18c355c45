import { useId } from "react";
import { Readable } from "../values/json-view.tsx";
import type { AnswerField, FieldInput } from "./answer-fields.ts";

interface AnswerInputProps {
  readonly field: AnswerField;
  /** Unique on the page. */
  readonly name: string;
  readonly text: string;
  readonly locked: boolean;
  readonly invalid: boolean;
  readonly type: (text: string) => void;
}

/** More choices than this are a menu, not a list of buttons. */
const LISTED_CHOICES = 8;

/** One field of an answer. */
export function AnswerInput(props: AnswerInputProps) {
  const { input } = props.field;
  return input.kind === "choice" && input.choices.length <= LISTED_CHOICES ? (
    <Choices {...props} input={input} />
  ) : (
    <Labelled {...props} />
  );
}

function Choices({
  field,
  input,
  name,
  text,
  locked,
  type,
}: AnswerInputProps & { readonly input: FieldInput & { kind: "choice" } }) {
  return (
    <fieldset className="choices" disabled={locked}>
      <legend>
        {field.label} <Hint field={field} />
      </legend>
      {input.choices.map((choice, i) => (
        <label key={choice.label} className="choice">
          <input type="radio" name={name} checked={text === String(i)} onChange={() => type(String(i))} />
          <span>{choice.label}</span>
        </label>
      ))}
      {field.whenEmpty !== "refused" && (
        <label className="choice">
          <input type="radio" name={name} checked={text === ""} onChange={() => type("")} />
          <span className="dim">No answer</span>
        </label>
      )}
    </fieldset>
  );
}

function Labelled(props: AnswerInputProps) {
  const { field } = props;
  const hint = useId();
  return (
    <label className="form-field">
      <span>{field.label}</span>
      <Control {...props} describedBy={hint} />
      <span id={hint}>
        <Hint field={field} />
        <Amount {...props} />
      </span>
    </label>
  );
}

function Control({
  field,
  name,
  text,
  locked,
  invalid,
  type,
  describedBy,
}: AnswerInputProps & { describedBy: string }) {
  const { input } = field;
  const common = {
    name,
    value: text,
    "aria-invalid": invalid,
    "aria-describedby": describedBy,
    onChange: (event: { readonly target: { readonly value: string } }) => type(event.target.value),
  };
  switch (input.kind) {
    case "choice":
      return (
        <select {...common} disabled={locked}>
          <option value="">{field.whenEmpty === "refused" ? "Choose" : "No answer"}</option>
          {input.choices.map((choice, i) => (
            <option key={choice.label} value={i}>
              {choice.label}
            </option>
          ))}
        </select>
      );
    case "number":
      // Not a number field: those change under the mouse wheel, and drop what they cannot read.
      return <input {...common} type="text" inputMode="decimal" autoComplete="off" readOnly={locked} />;
    case "json":
      return (
        <textarea
          {...common}
          className="mono"
          rows={4}
          spellCheck={false}
          placeholder={`For example ${input.example}`}
          readOnly={locked}
        />
      );
    case "text":
      return input.type === "lines" ? (
        <textarea {...common} rows={field.key === null ? 4 : 2} readOnly={locked} />
      ) : (
        <input {...common} type={input.type} autoComplete="off" readOnly={locked} />
      );
  }
}

function Hint({ field }: { readonly field: AnswerField }) {
  const words = [field.whenEmpty === "refused" ? "" : "may be left empty", field.hint].filter((word) => word !== "");
  if (words.length === 0) return null;
  return <span className="dim">{words.join("; ")}</span>;
}

/** An amount in minor units, also as people write it: that is what they mean to answer. */
function Amount({ field, text }: AnswerInputProps) {
  if (field.input.kind !== "number" || field.key === null || text.trim() === "") return null;
  return <Readable name={field.key} value={Number(text)} beside={{}} />;
}
