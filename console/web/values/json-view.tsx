import { useState } from "react";
import type { JsonValue } from "../../../runtime/core/json.ts";
import { readableTime } from "./date.ts";
import { readableAmount } from "./money.ts";
import { summary } from "./summary.ts";
import { untagged } from "./tagged.ts";
import { LongText, Text } from "./text.tsx";

/** So many fields are shown at first, and more at each press. */
const FIELDS_AT_FIRST = 40;
const FIELDS_STEP = 500;
/** Deeper values start closed. */
const OPEN_DEPTH = 2;

/** A recorded value, field by field. Text from outside stays text. */
export function JsonView({ value: recorded, depth = 0 }: { readonly value: JsonValue; readonly depth?: number }) {
  const value = untagged(recorded);
  if (typeof value === "string") {
    if (value === "") return <span className="json-plain">empty text</span>;
    return (
      <span className="json-string">
        <LongText text={value} />
      </span>
    );
  }
  if (typeof value !== "object" || value === null) {
    return <span className="json-plain">{String(value)}</span>;
  }
  if (Object.keys(value).length === 0) {
    return <span className="json-plain">{Array.isArray(value) ? "empty list" : "no fields"}</span>;
  }
  return depth > OPEN_DEPTH ? <Closed value={value} depth={depth} /> : <Fields value={value} depth={depth} />;
}

function Closed({ value, depth }: { readonly value: object; readonly depth: number }) {
  const [open, setOpen] = useState(false);
  if (open) return <Fields value={value} depth={depth} />;
  return (
    <button type="button" className="more" onClick={() => setOpen(true)} aria-label="Open this value">
      {summary(value as JsonValue, 60)}
    </button>
  );
}

function Fields({ value, depth }: { readonly value: object; readonly depth: number }) {
  const [shown, setShown] = useState(FIELDS_AT_FIRST);
  const fields = value as Readonly<Record<string, JsonValue>>;
  const keys = Object.keys(fields);
  const isList = Array.isArray(value);
  return (
    <>
      <dl className={isList ? "fields list" : "fields"}>
        {keys.slice(0, shown).map((key) => {
          const field = fields[key] ?? null;
          return (
            <div key={key} className={isNested(field) ? "field nested" : "field"}>
              <dt>{isList ? String(Number(key) + 1) : <Text text={key} />}</dt>
              <dd>
                <JsonView value={field} depth={depth + 1} />
                {!isList && <Readable name={key} value={field} beside={fields} />}
              </dd>
            </div>
          );
        })}
      </dl>
      {keys.length > shown && (
        <button type="button" className="more" onClick={() => setShown(shown + FIELDS_STEP)}>
          Show {Math.min(FIELDS_STEP, keys.length - shown).toLocaleString("en")} of{" "}
          {(keys.length - shown).toLocaleString("en")} more
        </button>
      )}
    </>
  );
}

/** An amount or a time once more, as people write it. */
export function Readable({
  name,
  value,
  beside,
}: {
  readonly name: string;
  readonly value: JsonValue;
  /** The fields around it: one of them may say the currency. */
  readonly beside: Readonly<Record<string, JsonValue>>;
}) {
  const text = readableAmount(name, value, beside) ?? readableTime(name, untagged(value));
  return text === undefined ? null : (
    <>
      {" "}
      <span className="readable">{text}</span>
    </>
  );
}

function isNested(recorded: JsonValue): boolean {
  const value = untagged(recorded);
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}
