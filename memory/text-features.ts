import { STOP_WORDS } from "./stop-words.ts";

/** What a text is compared by: features, each with its weight. */
export type Features = ReadonlyMap<string, number>;

/** Weights, chosen by the pairs in `test/unit/memory/hash-embedder.test.ts`. */
const WORD = 1;
const STOP_WORD = 0.15;
const PAIR = 0.35;
/** What the character n-grams of one word weigh together; it lets "damaged" meet "damage". */
const GRAMS = 1.5;
const GRAM_LENGTH = 3;

/** Letters that Unicode does not decompose into a base letter and a mark. */
const FOLDED: ReadonlyMap<string, string> = new Map([
  ["ß", "ss"],
  ["æ", "ae"],
  ["œ", "oe"],
  ["ø", "o"],
  ["ł", "l"],
  ["đ", "d"],
  ["ð", "d"],
  ["þ", "th"],
  ["ı", "i"],
]);
const FOLDABLE = new RegExp(`[${[...FOLDED.keys()].join("")}]`, "g");

/**
 * A text's words without case and diacritics: "Straße", "STRASSE" and "strasse" are one word, and so
 * are "Müller" and "Muller", however the ü is encoded. Punctuation separates words.
 */
export function words(text: string): string[] {
  const folded = text
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(FOLDABLE, (letter) => FOLDED.get(letter) ?? letter);
  return folded.match(/[\p{L}\p{N}]+/gu) ?? [];
}

/**
 * Words, pairs of neighbours, and the character n-grams of each word. How often a feature occurs counts
 * by the logarithm (a word said ten times is not ten times as telling), stop words count little.
 */
export function features(text: string): Features {
  const counted = new Map<string, { weight: number; count: number }>();
  const add = (feature: string, weight: number): void => {
    const seen = counted.get(feature);
    if (seen) seen.count += 1;
    else counted.set(feature, { weight, count: 1 });
  };
  let before: string | undefined;
  for (const word of words(text)) {
    const isStopWord = STOP_WORDS.has(word);
    add(`w ${word}`, isStopWord ? STOP_WORD : WORD);
    if (before !== undefined) {
      add(`p ${before} ${word}`, isStopWord || STOP_WORDS.has(before) ? PAIR * STOP_WORD : PAIR);
    }
    if (!isStopWord) {
      const grams = characterGrams(word);
      for (const gram of grams) add(`g ${gram}`, GRAMS / Math.sqrt(grams.length));
    }
    before = word;
  }
  // A text without a word ("?!") still has to be somewhere: it is like itself and nothing else.
  if (counted.size === 0) return new Map([[`t ${text}`, 1]]);
  return new Map([...counted].map(([feature, { weight, count }]) => [feature, weight * (1 + Math.log(count))]));
}

/** "rear" gives "<re", "rea", "ear", "ar>": the marks tell a word's ends from its middle. */
function characterGrams(word: string): string[] {
  const letters = Array.from(`<${word}>`);
  if (letters.length <= GRAM_LENGTH) return [letters.join("")];
  return letters.slice(0, 1 - GRAM_LENGTH).map((_, i) => letters.slice(i, i + GRAM_LENGTH).join(""));
}
