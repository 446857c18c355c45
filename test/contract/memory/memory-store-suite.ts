import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Embedder, MemoryItem, MemoryStore } from "../../../runtime/core/memory.ts";
import { hashEmbedder } from "../../../memory/index.ts";

/** A fresh, empty place for memories, which several stores may share. */
export interface MemoryPlace extends AsyncDisposable {
  store(embedder: Embedder): MemoryStore;
}

export const author = { run: "11111111-1111-4111-8111-111111111111", effect: "1/find#memory.remember#0#0" };

/** Another embedder for tests: counts of the letters a to h, so its vectors are easy to foresee. */
export const letterEmbedder: Embedder = {
  model: "letters-8",
  dims: 8,
  embed: (texts) =>
    Promise.resolve(texts.map((text) => Array.from("abcdefgh", (letter) => 0.01 + text.split(letter).length - 1))),
};

/** Writes texts under new ids, one after the other. */
export async function rememberAll(store: MemoryStore, namespace: string, texts: readonly string[]): Promise<void> {
  for (const text of texts) await store.remember(randomUUID(), { namespace, text }, author);
}

const texts = (items: readonly MemoryItem[]): string[] => items.map((item) => item.text);

/** What every {@link MemoryStore} must do. */
export function memoryStoreContract(implementation: string, open: () => Promise<MemoryPlace>): void {
  describe(`memory store contract - ${implementation}`, () => {
    const claims = [
      "Rear-end collision at a traffic light, bumper and tail light damaged",
      "Burst pipe in the bathroom, ceiling of the flat below soaked",
      "Laptop stolen from a locked car overnight in Lyon",
    ];

    test("recall gives the most similar first, with its data and a score between 0 and 1", async () => {
      await using place = await open();
      const store = place.store(hashEmbedder);
      await rememberAll(store, "claims", claims);
      const id = randomUUID();
      const data = { claim: "C-7", amountCents: 128_000, tags: ["water", "Küche"], note: null, raw: "a\u0000b" };
      await store.remember(id, { namespace: "claims", text: "A pipe burst and soaked the ceiling", data }, author);

      const found = await store.recall({ namespace: "claims", query: "pipe burst, ceiling soaked" });

      expect(texts(found).slice(0, 2)).toEqual(["A pipe burst and soaked the ceiling", claims[1]]);
      expect(found[0]).toMatchObject({ id, namespace: "claims", data });
      const scores = found.map((item) => item.score ?? Number.NaN);
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
      expect(scores.every((score) => score >= 0 && score <= 1)).toBe(true);
    });

    test("remember with the same id again changes nothing, also at the same moment", async () => {
      await using place = await open();
      const store = place.store(hashEmbedder);
      const id = randomUUID();
      await store.remember(id, { namespace: "claims", text: "the first word on it" }, author);
      await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          store.remember(id, { namespace: "claims", text: `the first word on it, version ${String(i)}` }, author),
        ),
      );
      expect(texts(await store.recall({ namespace: "claims", query: "first word" }))).toEqual(["the first word on it"]);
    });

    test("recall sees its own namespace only, however alike the names look", async () => {
      await using place = await open();
      const store = place.store(hashEmbedder);
      const names = ["kunde-é", "kunde-e\u0301", "kunde-É", "kunde-e", "kunde-é ", "kunde-%", "kunde\u200b-é"];
      for (const [i, name] of names.entries()) await rememberAll(store, name, [`secret number ${String(i)}`]);
      for (const [i, name] of names.entries()) {
        expect(texts(await store.recall({ namespace: name, query: "secret number" }))).toEqual([
          `secret number ${String(i)}`,
        ]);
      }
      expect(await store.recall({ namespace: "kunde", query: "secret number" })).toEqual([]);
    });

    test.each([
      ["an empty namespace", { namespace: "", text: "x" }],
      ["a namespace with a NUL", { namespace: "a\u0000b", text: "x" }],
      ["a namespace with half a surrogate pair", { namespace: "kunde-\ud800", text: "x" }],
      ["a namespace of 201 characters", { namespace: "n".repeat(201), text: "x" }],
      ["an empty text", { namespace: "a", text: "  \n" }],
      ["a text with a NUL", { namespace: "a", text: "a\u0000b" }],
      ["a text of 70,000 characters", { namespace: "a", text: "wort ".repeat(14_000) }],
    ])("remember refuses %s", async (_what, input) => {
      await using place = await open();
      const store = place.store(hashEmbedder);
      await expect(store.remember(randomUUID(), input, author)).rejects.toMatchObject({ code: "INVALID_MEMORY" });
      await expect(store.recall({ namespace: input.namespace, query: input.text })).rejects.toMatchObject({
        code: "INVALID_MEMORY",
      });
    });

    test("recall refuses a limit or a least score out of range", async () => {
      await using place = await open();
      const store = place.store(hashEmbedder);
      const ask = { namespace: "a", query: "x" };
      for (const wrong of [
        { limit: 0 },
        { limit: 1.5 },
        { limit: 201 },
        { minScore: -0.1 },
        { minScore: Number.NaN },
      ]) {
        await expect(store.recall({ ...ask, ...wrong })).rejects.toMatchObject({ code: "INVALID_MEMORY" });
      }
    });

    test("recall keeps to the limit and to the least score", async () => {
      await using place = await open();
      const store = place.store(hashEmbedder);
      await rememberAll(store, "claims", claims);
      const ask = { namespace: "claims", query: "laptop stolen from a car in Lyon" };
      expect(await store.recall(ask)).toHaveLength(3);
      expect(texts(await store.recall({ ...ask, limit: 1 }))).toEqual([claims[2]]);
      expect(texts(await store.recall({ ...ask, minScore: 0.5 }))).toEqual([claims[2]]);
      expect(await store.recall({ ...ask, minScore: 1 })).toEqual([]);
    });

    test("a namespace that another embedder wrote is refused in both directions, and stays as it was", async () => {
      await using place = await open();
      const hashed = place.store(hashEmbedder);
      const lettered = place.store(letterEmbedder);
      const longer = place.store({ ...letterEmbedder, model: hashEmbedder.model });
      await rememberAll(hashed, "claims", [claims[0] ?? ""]);
      await rememberAll(lettered, "letters", ["abba"]);
      for (const [store, namespace] of [
        [lettered, "claims"],
        [longer, "claims"],
        [hashed, "letters"],
      ] as const) {
        const refused = { code: "EMBEDDER_MISMATCH" };
        await expect(store.remember(randomUUID(), { namespace, text: "abc" }, author)).rejects.toMatchObject(refused);
        await expect(store.recall({ namespace, query: "abc" })).rejects.toMatchObject(refused);
      }
      expect(await hashed.recall({ namespace: "claims", query: "abc" })).toHaveLength(1);
      expect(texts(await lettered.recall({ namespace: "letters", query: "bab" }))).toEqual(["abba"]);
    });

    test("two embedders that write a new namespace at once: one gets it, the other is told", async () => {
      await using place = await open();
      const stores = [place.store(hashEmbedder), place.store(letterEmbedder)] as const;
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => {
          const store = i % 2 === 0 ? stores[0] : stores[1];
          return store.remember(randomUUID(), { namespace: "new", text: `abc ${String(i)}` }, author);
        }),
      );
      const refused = results.filter((result) => result.status === "rejected");
      expect(refused.map((result) => (result.reason as { code?: string }).code)).toEqual(
        Array.from({ length: 10 }, () => "EMBEDDER_MISMATCH"),
      );
      const counts = await Promise.all(
        stores.map((store) =>
          store.recall({ namespace: "new", query: "abc", limit: 50 }).then(
            (items) => items.length,
            () => 0,
          ),
        ),
      );
      expect(counts.sort((a, b) => a - b)).toEqual([0, 10]);
    });

    test.each([
      ["too short a vector", [[1, 0]]],
      ["no vector", []],
      ["two vectors for one text", [new Array<number>(8).fill(1), new Array<number>(8).fill(1)]],
      ["a vector with NaN", [[Number.NaN, 1, 1, 1, 1, 1, 1, 1]]],
    ])("an embedder that returns %s is refused, and nothing is written", async (_what, vectors) => {
      await using place = await open();
      const store = place.store({ ...letterEmbedder, embed: () => Promise.resolve(vectors) });
      await expect(store.remember(randomUUID(), { namespace: "letters", text: "abc" }, author)).rejects.toMatchObject({
        code: "EMBEDDER_FAULT",
      });
      expect(await place.store(hashEmbedder).recall({ namespace: "letters", query: "abc" })).toEqual([]);
    });
  });
}
