import { ToneSign } from "./icons.tsx";
import type { Tone } from "./words.ts";

/** A state as a sign and a word. */
export function Badge({ tone, text }: { readonly tone: Tone; readonly text: string }) {
  return (
    <span className={`badge ${tone}`}>
      <ToneSign tone={tone} />
      {text}
    </span>
  );
}
