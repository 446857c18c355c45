import { describe, expect, test } from "vitest";
import { Random } from "../faults/random.ts";
import { judgeAll } from "../soak/allowances.ts";
import { judge, median } from "../soak/flat.ts";

const MB = 2 ** 20;
const ALLOWANCE = { share: 0.02, absolute: MB };
/** As the samples of a soak of five minutes after its warm-up. */
const EVERY_MS = 5_000;
const TIMES = Array.from({ length: 40 }, (_, i) => 100_000 + i * EVERY_MS);

/** A value at each of those times. */
function series(value: (atMinutes: number, i: number) => number) {
  return TIMES.map((atMs, i) => ({ atMs, value: value((atMs - 100_000) / 60_000, i) }));
}

/** Between -1 and 1. */
function noise(seed: number): () => number {
  const random = new Random(seed);
  return () => 2 * random.next() - 1;
}

const SEEDS = Array.from({ length: 50 }, (_, i) => i + 1);

describe("a series", () => {
  test("that leaks a megabyte a minute - is found to grow, in whatever noise a heap has", () => {
    const flat = SEEDS.filter((seed) => {
      const by = noise(seed);
      return judge(
        series((minutes) => 30 * MB + minutes * MB + by() * 0.7 * MB),
        ALLOWANCE,
      ).flat;
    });
    expect(flat).toEqual([]);
  });

  test("that is all noise - is flat, however loud", () => {
    for (const loud of [0.01, 0.1, 0.5, 2]) {
      const grows = SEEDS.filter((seed) => {
        const by = noise(seed);
        return !judge(
          series(() => 30 * MB * (1 + loud * by())),
          ALLOWANCE,
        ).flat;
      });
      expect(grows, `noise of ${String(loud)}`).toEqual([]);
    }
  });

  test("with a third of its points anywhere - keeps its slope", () => {
    const by = noise(1);
    const points = series((minutes, i) => (i % 3 === 0 ? 1_000 * MB * Math.abs(by()) : (30 + minutes) * MB));
    const { growth, flat } = judge(points, { share: 0, absolute: MB });
    expect(growth / MB).toBeGreaterThan(2.5);
    expect(growth / MB).toBeLessThan(4.5);
    expect(flat).toBe(false);
  });

  test("that falls, or stands still - is flat, with nothing allowed", () => {
    const none = { share: 0, absolute: 0 };
    expect(
      judge(
        series(() => 7),
        none,
      ),
    ).toMatchObject({ level: 7, growth: 0, proven: 0, flat: true });
    expect(
      judge(
        series((minutes) => -minutes),
        none,
      ).flat,
    ).toBe(true);
  });

  test("that grows as much as it may - is flat, and by more is not", () => {
    // From 100 to 126: the slope times the time is 26, and 20 % of the level and 3 are 25.6.
    const points = series((minutes) => 100 + 8 * minutes);
    expect(judge(points, { share: 0.2, absolute: 3 })).toMatchObject({ allowed: 25.6, flat: false });
    expect(judge(points, { share: 0.2, absolute: 4 }).flat).toBe(true);
  });

  test("of too few points - is not judged", () => {
    expect(() => judge(series(() => 1).slice(0, 5), ALLOWANCE)).toThrow("too few");
  });

  test("in a soak twice as long - has half the leak found", () => {
    const by = noise(3);
    const leak = (length: number) =>
      judge(
        Array.from({ length }, (_, i) => ({
          atMs: i * EVERY_MS,
          value: (30 + (i * EVERY_MS) / 180_000 + by() * 0.3) * MB,
        })),
        ALLOWANCE,
      ).flat;
    expect([leak(40), leak(160)]).toEqual([true, false]);
  });
});

describe("all series of a soak", () => {
  const samples = (values: (i: number) => Readonly<Record<string, number>>) =>
    TIMES.map((atMs, i) => ({ atMs, values: new Map(Object.entries(values(i))) }));

  test("are judged each by its allowance, and what is only noted is not", () => {
    const judged = judgeAll(
      samples((i) => ({
        "memory/worker/heapUsed": 30 * MB + i * 0.1 * MB,
        "memory/worker/rss": 200 * MB + i * 0.1 * MB,
        "connections/postgres/signalbox-worker": 30 + i,
        "tables/runs/bytes per row": 1_000 + i,
        "tables/runs/dead per row": i,
        "tables/turns/bytes": 81_920 + i * 81_920,
        "backlog/messages": 3 * i,
      })),
    );
    expect(Object.fromEntries([...judged].map(([name, { flat }]) => [name, flat]))).toEqual({
      "memory/worker/heapUsed": false,
      "memory/worker/rss": true,
      "connections/postgres/signalbox-worker": false,
      "tables/runs/bytes per row": true,
      "tables/turns/bytes": false,
      "backlog/messages": false,
    });
  });

  test("are judged without the moments at which they could not be looked at", () => {
    const seen = (i: number): boolean => i % 2 === 0;
    const judged = judgeAll(
      samples((i): Readonly<Record<string, number>> => (seen(i) ? { "connections/nats/consumers": 38 } : {})),
    );
    expect(judged.get("connections/nats/consumers")).toMatchObject({ level: 38, flat: true });
    expect(judgeAll(samples((i): Readonly<Record<string, number>> => (i < 5 ? { "memory/a/rss": 1 } : {})))).toEqual(
      new Map(),
    );
  });
});

test("the median - is the middle, or between the two in the middle", () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5]);
});
