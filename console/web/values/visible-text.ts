/**
 * Text from tools, models, documents and messages, cut into what may be shown as it is and what would
 * not be seen or would change how its neighbours are seen: control characters, bidirectional controls,
 * zero-width and other invisible characters, halves of surrogate pairs.
 */
export type TextPart =
  | { readonly kind: "plain"; readonly text: string }
  | { readonly kind: "invisible"; readonly code: string; readonly name: string };

/**
 * Cc, Cf, Cs, Zl and Zp but line feed and tab; fillers and selectors that draw nothing; and the
 * joiner, which only stays inside an emoji, where it has a visible effect.
 */
const INVISIBLE =
  /(?<!\p{Extended_Pictographic}\uFE0F?|\p{Emoji_Modifier})\u200D|\u200D(?!\p{Extended_Pictographic})|[\u034F\u115F\u1160\u17B4\u17B5\u180B-\u180F\u2800\u3164\uFFA0\u{E0100}-\u{E01EF}]|(?![\n\t\u200D])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const NAMES: Readonly<Record<number, string>> = {
  0x00: "null",
  0x07: "bell",
  0x08: "backspace",
  0x0d: "carriage return",
  0x1b: "escape",
  0x7f: "delete",
  0xad: "soft hyphen",
  0x61c: "Arabic letter mark",
  0x200b: "zero-width space",
  0x200c: "zero-width non-joiner",
  0x200d: "zero-width joiner",
  0x200e: "left-to-right mark",
  0x200f: "right-to-left mark",
  0x2028: "line separator",
  0x2029: "paragraph separator",
  0x202a: "left-to-right embedding",
  0x202b: "right-to-left embedding",
  0x202c: "end of embedding or override",
  0x202d: "left-to-right override",
  0x202e: "right-to-left override",
  0x2060: "word joiner",
  0x2066: "left-to-right isolate",
  0x2067: "right-to-left isolate",
  0x2068: "first strong isolate",
  0x2069: "end of isolate",
  0xfeff: "byte order mark",
};

/** Cuts text into parts; joining the plain parts and the marks' characters gives the text again. */
export function visibleParts(text: string): readonly TextPart[] {
  const parts: TextPart[] = [];
  let from = 0;
  for (const match of text.matchAll(INVISIBLE)) {
    if (match.index > from) parts.push({ kind: "plain", text: text.slice(from, match.index) });
    parts.push(invisible(match[0].codePointAt(0) ?? 0));
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push({ kind: "plain", text: text.slice(from) });
  return parts;
}

/** The same as one string, for places that take no elements: titles, labels, one-line summaries. */
export function visibleString(text: string): string {
  return visibleParts(text)
    .map((part) => (part.kind === "plain" ? part.text : `⟨${part.code}⟩`))
    .join("");
}

function invisible(codePoint: number): TextPart {
  const code = `U+${codePoint.toString(16).toUpperCase().padStart(4, "0")}`;
  return { kind: "invisible", code, name: NAMES[codePoint] ?? "invisible character" };
}

/** At most so many characters, never half of a surrogate pair. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}
