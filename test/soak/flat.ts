/** A value at a time. */
export interface Point {
  /** Milliseconds. */
  readonly atMs: number;
  readonly value: number;
}

/** How much something may grow over the measured time and still count as flat. */
export interface Allowance {
  /** Of its level: 0.1 is a tenth. */
  readonly share: number;
  /** On top of that, in the value's own unit: what a level near zero needs. */
  readonly absolute: number;
}

export interface Judgement {
  /** The median. */
  readonly level: number;
  /** The slope times the measured time. */
  readonly growth: number;
  /** What of that the samples prove: with so much noise, there may have been no more. At most `growth`. */
  readonly proven: number;
  readonly allowed: number;
  readonly flat: boolean;
}

/** Fewer points prove nothing: their slope may be anything. */
export const FEWEST_POINTS = 12;
/** One-sided 99.5 %: some eighty series are judged at once, and each has its allowance besides. */
const Z = 2.58;

/**
 * Whether a series grows. Only growth is looked at: what shrinks does not leak.
 *
 * The slope is that of Theil and Sen, the median of the slopes between all pairs of points: a third of the points may
 * be anything (a worker that just takes up what another one left behind) without moving it far. It is not the slope
 * that is compared with the allowance, but the lower end of its confidence interval (Sen 1968, from the distribution of
 * Kendall's tau): so noise alone is hardly ever called growth, and the allowance need not be made for it and can be
 * small. The longer the time, the smaller a leak is found.
 *
 * @throws if there are fewer points than {@link FEWEST_POINTS}
 */
export function judge(points: readonly Point[], { share, absolute }: Allowance): Judgement {
  const count = points.length;
  if (count < FEWEST_POINTS) throw new Error(`${String(count)} points are too few to be judged.`);
  const times = points.map(({ atMs }) => atMs);
  const spanMs = Math.max(...times) - Math.min(...times);
  const slopes = slopesOf(points);
  const spread = Z * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  const lower = slopes[Math.max(0, Math.floor((slopes.length - spread) / 2))] ?? 0;
  const level = median(points.map(({ value }) => value));
  const growth = median(slopes) * spanMs;
  const proven = Math.min(lower * spanMs, growth);
  const allowed = share * Math.abs(level) + absolute;
  return { level, growth, proven, allowed, flat: proven <= allowed };
}

/** Between all pairs of points, in order. */
function slopesOf(points: readonly Point[]): number[] {
  const slopes = points.flatMap((one, i) =>
    points.slice(i + 1).flatMap((other) => {
      const ms = other.atMs - one.atMs;
      return ms === 0 ? [] : [(other.value - one.value) / ms];
    }),
  );
  return slopes.sort((a, b) => a - b);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? NaN) + upper) / 2 : upper;
}
