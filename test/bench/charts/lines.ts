import { COLOURS, INNER_WIDTH } from "./theme.ts";

/** What grows with what. */
export interface Panel {
  readonly title: string;
  readonly scale?: "linear" | "log";
  readonly points: readonly { readonly series: string; readonly x: number; readonly y: number }[];
}

export interface LinesOptions {
  readonly x: {
    readonly title: string;
    readonly scale: "linear" | "log";
    /** What is written along it. */
    readonly values: readonly number[];
  };
  /** One under the other, over the same x. */
  readonly panels: readonly Panel[];
  readonly colours: Readonly<Record<string, keyof typeof COLOURS>>;
}

const AXIS_WIDTH = 52;
/** For half of the last number along the axis. */
const BESIDE = 16;
const HEIGHT = 130;

/** Vega's expression for a number along an axis. */
const NUMBERS = 'format(datum.value, abs(datum.value) < 10000 ? ",.4~r" : "~s")';
const AXIS = { title: null, labelExpr: NUMBERS, minExtent: AXIS_WIDTH, maxExtent: AXIS_WIDTH };

/** From a power of ten to another one. */
function decades(points: Panel["points"]): object {
  const exponents = points.map(({ y }) => Math.log10(y));
  const [lowest, highest] = [Math.floor(Math.min(...exponents)), Math.ceil(Math.max(...exponents))];
  const values = Array.from({ length: highest - lowest + 1 }, (_, i) => 10 ** (lowest + i));
  return { scale: { type: "log", domain: [values[0], values.at(-1)] }, axis: { values, ...AXIS } };
}

/** Lines through what was measured. */
export function lines({ x, panels, colours }: LinesOptions): object {
  const series = Object.keys(colours);
  return {
    spacing: 18,
    vconcat: panels.map(({ title, scale = "linear", points }, i) => ({
      title,
      width: INNER_WIDTH - AXIS_WIDTH - BESIDE,
      height: HEIGHT,
      data: { values: points.filter(({ y }) => Number.isFinite(y)) },
      mark: { type: "line", point: { size: 45, filled: true }, strokeWidth: 2 },
      encoding: {
        x: {
          field: "x",
          type: "quantitative",
          scale: { type: x.scale, nice: false },
          axis: {
            title: i === panels.length - 1 ? x.title : null,
            values: x.values,
            labelExpr: NUMBERS,
            grid: false,
            labelOverlap: "greedy",
          },
        },
        y: {
          field: "y",
          type: "quantitative",
          ...(scale === "log" ? decades(points) : { scale: { zero: true }, axis: { tickCount: 4, ...AXIS } }),
        },
        color: {
          field: "series",
          type: "nominal",
          sort: series,
          scale: { domain: series, range: series.map((name) => COLOURS[colours[name] ?? "grey"]) },
          legend: i === panels.length - 1 && series.length > 1 ? { columns: 2, symbolType: "stroke" } : null,
        },
      },
    })),
    resolve: { scale: { color: "independent" } },
  };
}
