import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hashEmbedder } from "../../../memory/index.ts";
import { sha256 } from "../../../runtime/core/canonical.ts";

async function embed(text: string): Promise<number[]> {
  const [vector] = await hashEmbedder.embed([text]);
  return vector ?? [];
}

async function similarity(a: string, b: string): Promise<number> {
  const [x, y] = await hashEmbedder.embed([a, b]);
  return (x ?? []).reduce((sum, value, i) => sum + value * (y?.[i] ?? 0), 0);
}

const rearEnd = "Rear-end collision at a traffic light, bumper and tail light damaged";
const burstPipe = "Burst pipe in the bathroom, ceiling of the flat below soaked";
const laptop = "Laptop stolen from a locked car overnight in Lyon";
const bicycle = "Bicycle stolen from the cellar";
const kitchen = "Wasserschaden in der Küche nach Rohrbruch";
const refund = "The customer asked for a refund of the annual subscription";

describe("hash embedder", () => {
  test("it is named, and gives unit vectors of 512 numbers, one a text, in order", async () => {
    expect(hashEmbedder).toMatchObject({ model: "signalbox-hash-512", dims: 512 });
    const vectors = await hashEmbedder.embed([rearEnd, "", "?!", "the the the", kitchen]);
    expect(vectors).toHaveLength(5);
    for (const vector of vectors) {
      expect(vector).toHaveLength(512);
      expect(vector.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 10);
    }
    expect(vectors[4]).toEqual(await embed(kitchen));
    expect(await hashEmbedder.embed([])).toEqual([]);
  });

  test("it gives the vectors that earlier releases gave: a change needs a new model name", async () => {
    const rounded = (await embed(`${rearEnd}. ${kitchen}. Ærø, Łódź, ½ naïve 東京`)).map((value) => value.toFixed(6));
    expect(sha256(rounded.join())).toBe("c8b564ff39c93f58386d7bb31da5c71c71d6a26517812dae7c3a81aaaaa5d8aa");
  });

  test.each([
    [rearEnd, "Rear end collision at a traffic light: bumper and tail light damaged."],
    [burstPipe, "Burst pipe in bathroom; the ceiling of the flat below was soaked"],
    [laptop, "Laptop stolen from locked car, overnight, in Lyon"],
    [refund, "The customers asked for refunds of the annual subscription"],
    [kitchen, "Wasserschäden in der Küche nach einem Rohrbruch"],
  ])("near-identical texts are close: %s / %s", async (a, b) => {
    expect(await similarity(a, b)).toBeGreaterThan(0.8);
  });

  test.each([
    [rearEnd, "Another driver hit my bumper from behind while I waited at the traffic light"],
    [burstPipe, "A pipe burst and water came through the ceiling of the flat"],
    [laptop, "Thieves broke the car window and took the laptop"],
    [bicycle, "The bicycles were stolen out of our cellar last night"],
    [kitchen, "Nach einem Rohrbruch stand die ganze Küche unter Wasser"],
  ])("paraphrases that share words lie in between: %s / %s", async (a, b) => {
    const score = await similarity(a, b);
    expect(score).toBeGreaterThan(0.3);
    expect(score).toBeLessThan(0.8);
  });

  test.each([
    [rearEnd, burstPipe],
    [laptop, "Water damage in the kitchen after the dishwasher leaked"],
    [bicycle, "Deer collision on a country road, headlight broken"],
    [refund, "Hail broke the skylight and soaked the carpet"],
    [kitchen, rearEnd],
    ["It is in the and of to a", "The policy lapsed before the storm was over, and they had it in writing"],
    [
      "Storm tore tiles from the roof and rain came into the loft where furniture stood",
      "The customer of the bank has asked us to close the account and to pay out what is in it by Friday",
    ],
  ])("unrelated texts are far apart, whatever small words they share: %s / %s", async (a, b) => {
    expect(await similarity(a, b)).toBeLessThan(0.3);
  });

  test.each([
    ["case", kitchen, "WASSERSCHADEN IN DER KÜCHE NACH ROHRBRUCH"],
    ["diacritics left out", kitchen, "wasserschaden in der Kuche nach rohrbruch"],
    ["diacritics as separate marks", kitchen, kitchen.normalize("NFD")],
    ["ß as SS", "Fußgänger auf der Straße", "FUSSGÄNGER AUF DER STRASSE"],
    ["letters that do not decompose", "Łódź, Ærø, Øresund", "Lodz, Aero, Oresund"],
    ["full-width letters and ligatures", "ｐｉｐｅ ﬁtting", "pipe fitting"],
    ["punctuation and white space", "tail light, bumper", "  tail-light —\n(bumper)!"],
    ["the Turkish dotted capital", "İstanbul", "istanbul"],
  ])("it does not see a difference of %s", async (_what, a, b) => {
    expect(await similarity(a, b)).toBeCloseTo(1, 10);
  });

  test("a spelling that replaces ü by ue is still close", async () => {
    expect(await similarity(kitchen, "Wasserschaden in der Kueche nach Rohrbruch")).toBeGreaterThan(0.7);
  });

  test("saying a word ten times does not drown the rest", async () => {
    expect(await similarity(burstPipe, `${burstPipe}${" pipe".repeat(10)}`)).toBeGreaterThan(0.7);
  });

  test("any text gives a unit vector, and the same one again", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 400 }), async (text) => {
        const vector = await embed(text);
        expect(vector.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 10);
        expect(await embed(text)).toEqual(vector);
      }),
    );
  });

  test("a text of many words has no word that the others cover up completely", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.stringMatching(/^[a-z]{4,9}$/), { minLength: 20, maxLength: 40 }), async (words) => {
        const text = words.join(" ");
        expect(await similarity(text, words.slice(0, words.length / 2).join(" "))).toBeGreaterThan(0.3);
      }),
      { numRuns: 50 },
    );
  });
});
