/**
 * Orders two versions of Debian packages: negative if the first is older, 0 if they are the same.
 * Source: deb-version(7).
 */
export function compareDebianVersions(one: string, other: string): number {
  const a = parse(one);
  const b = parse(other);
  return a.epoch - b.epoch || compareParts(a.upstream, b.upstream) || compareParts(a.revision, b.revision);
}

/** "1:2.3-4" is epoch 1, upstream 2.3, revision 4. A missing epoch is 0, a missing revision like "0". */
function parse(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(":");
  const rest = version.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)),
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? "" : rest.slice(dash + 1),
  };
}

/** Compares runs of other characters and runs of digits in turn, from the left. */
function compareParts(one: string, other: string): number {
  let a = one;
  let b = other;
  while (a !== "" || b !== "") {
    const [wordA, wordB] = [wordOf(a), wordOf(b)];
    const byWord = compareWords(wordA, wordB);
    if (byWord !== 0) return byWord;
    [a, b] = [a.slice(wordA.length), b.slice(wordB.length)];
    const [digitsA, digitsB] = [digitsOf(a), digitsOf(b)];
    const byNumber = compareNumbers(digitsA, digitsB);
    if (byNumber !== 0) return byNumber;
    [a, b] = [a.slice(digitsA.length), b.slice(digitsB.length)];
  }
  return 0;
}

function wordOf(text: string): string {
  return /^[^0-9]*/.exec(text)?.[0] ?? "";
}

function digitsOf(text: string): string {
  return /^[0-9]*/.exec(text)?.[0] ?? "";
}

/** As texts, because dates with a time in them pass what a number holds exactly. */
function compareNumbers(one: string, other: string): number {
  const a = one.replace(/^0+/, "");
  const b = other.replace(/^0+/, "");
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : Number(a > b);
}

function compareWords(one: string, other: string): number {
  for (let i = 0; i < Math.max(one.length, other.length); i++) {
    const difference = weight(one[i]) - weight(other[i]);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** `~` comes before the end, letters before all else. */
function weight(character: string | undefined): number {
  if (character === "~") return -1;
  if (character === undefined) return 0;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}
