import { COLOURS, FONT_SIZE, INNER_WIDTH } from "./theme.ts";

/** One bar, or a part of one. */
export interface Bar {
  /** Which line it stands in. */
  readonly row: string;
  /** What it is, of the names that have a colour. */
  readonly kind: string;
  readonly value: number;
  /** Written behind it, if there is one of its own. */
  readonly label?: string;
}

export interface BarsOptions {
  readonly title: string;
  /** What is written along the axis. */
  readonly axis: string;
  readonly bars: readonly Bar[];
  /** In this order, from the left or from above. */
  readonly colours: Readonly<Record<string, keyof typeof COLOURS>>;
}

/** For what is written behind the longest of grouped bars. */
const LABEL_WIDTH = 44;
/** Of the width, for the longest of listed bars: what it is stands behind it. */
const LISTED = 0.38;

/** Horizontal bars of all kinds, one after the other, below the name of their row. */
export function stackedBars(options: BarsOptions): object {
  const { y, x, color } = channels(options);
  const rows = [...new Set(options.bars.map(({ row }) => row))];
  return {
    ...frame(options),
    height: { step: 56 },
    layer: [
      {
        mark: { type: "bar", height: 26, yOffset: 8 },
        encoding: { y, x, color, order: { field: "order", type: "quantitative" } },
      },
      {
        data: { values: rows.map((row) => ({ row })) },
        mark: { type: "text", align: "left", baseline: "bottom", dy: -8 },
        encoding: { y, x: { datum: 0 }, text: { field: "row" } },
      },
    ],
  };
}

/** Horizontal bars, one in each row, with their labels. */
export function listedBars(options: BarsOptions): object {
  const { y, x, color } = channels(options);
  const longest = Math.max(...options.bars.map(({ value }) => value));
  const shortened = { ...x, axis: null, scale: { domain: [0, longest / LISTED] } };
  return { ...frame(options), height: { step: 21 }, ...labelled({ y, x: shortened }, { ...color, legend: null }) };
}

/** Horizontal bars, in each row one of each kind. */
export function groupedBars({ rowsWidth, ...options }: BarsOptions & { readonly rowsWidth: number }): object {
  const { y, x, color } = channels(options);
  const axis = { title: null, domain: false, ticks: false, minExtent: rowsWidth, maxExtent: rowsWidth };
  const kinds = Object.keys(options.colours);
  const yOffset = { field: "kind", type: "nominal", scale: { domain: kinds, paddingOuter: 0.3 } };
  return {
    ...frame(options),
    width: INNER_WIDTH - rowsWidth - LABEL_WIDTH,
    height: { step: FONT_SIZE + 3 },
    ...labelled({ y: { ...y, axis }, x, yOffset }, color, 3),
  };
}

/** Several charts in one picture, one under the other. */
export function stacked(charts: readonly object[]): object {
  return { vconcat: charts, spacing: 20, resolve: { scale: { color: "independent", x: "independent" } } };
}

function frame({ title, bars, colours }: BarsOptions): object {
  const kinds = Object.keys(colours);
  const values = bars.map((bar) => ({ ...bar, order: kinds.indexOf(bar.kind) }));
  return { title, data: { values }, width: INNER_WIDTH };
}

function channels({ axis, bars, colours }: BarsOptions) {
  const kinds = Object.keys(colours);
  return {
    y: { field: "row", type: "nominal", scale: { domain: [...new Set(bars.map(({ row }) => row))] }, axis: null },
    x: { field: "value", type: "quantitative", axis: { title: axis, tickCount: 4 } },
    color: {
      field: "kind",
      type: "nominal",
      sort: kinds,
      scale: { domain: kinds, range: kinds.map((kind) => COLOURS[colours[kind] ?? "grey"]) },
      legend: { columns: kinds.length > 3 ? 2 : 1 },
    },
  };
}

/** @param dy moves the labels down: those of a row's kinds stand at the beginning of their place */
function labelled(place: object, color: object, dy = 0): object {
  return {
    layer: [
      { mark: { type: "bar", height: { band: 0.85 } }, encoding: { ...place, color } },
      {
        mark: { type: "text", align: "left", baseline: "middle", dx: 5, dy },
        encoding: { ...place, text: { field: "label" } },
      },
    ],
  };
}
