import { useState } from "react";
import { cutText, visibleParts } from "./visible-text.ts";

/** Longer texts are cut, with a button to see the rest. */
const COLLAPSED_LENGTH = 600;
/** Even then not all at once: ten megabytes in one element freeze a browser. */
const STEP_LENGTH = 50_000;

/** Text from outside. Always text nodes; what could not be seen is drawn as a mark. */
export function Text({ text }: { readonly text: string }) {
  return (
    <bdi className="text">
      {visibleParts(text).map((part, i) =>
        part.kind === "plain" ? (
          part.text
        ) : (
          <span key={i} className="invisible" title={`${part.name}, made visible`}>
            {part.code}
          </span>
        ),
      )}
    </bdi>
  );
}

/** Text from outside that may be very long. */
export function LongText({
  text,
  collapsed = COLLAPSED_LENGTH,
}: {
  readonly text: string;
  readonly collapsed?: number;
}) {
  const [length, setLength] = useState(collapsed);
  if (text.length <= length) return <Text text={text} />;
  const next = length < STEP_LENGTH ? STEP_LENGTH : length + STEP_LENGTH;
  const rest = text.length - length;
  return (
    <>
      <Text text={cutText(text, length)} />
      <span className="cut" aria-hidden="true">
        …
      </span>
      <button type="button" className="more" onClick={() => setLength(next)}>
        {next >= text.length ? "Show the rest" : "Show more"} ({rest.toLocaleString("en")} characters)
      </button>
    </>
  );
}
