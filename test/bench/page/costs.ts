/** The blocks and charts of what `npm run bench:costs` measures. */
import type { Chart } from "../charts/chart.ts";
import { lines, type LinesOptions, type Panel } from "../charts/lines.ts";
import type { StepCost } from "../engine/step-cost.ts";
import type { Figures, Sweep } from "./figures.ts";
import { bytes, count, ms, number, table } from "./markdown.ts";

/** How a sweep is shown. */
interface SweepView {
  /** What is varied. */
  readonly x: string;
  readonly xScale: "linear" | "log";
  readonly colours: LinesOptions["colours"];
  readonly panels: readonly PanelView[];
  readonly columns: readonly (keyof typeof COLUMNS)[];
}

interface PanelView {
  readonly title: string;
  readonly scale?: "linear" | "log";
  /** What is drawn: by default of each series, else by a name of its own. */
  readonly of: (cost: StepCost) => number | null | Readonly<Record<string, number | null>>;
}

const COLUMNS = {
  "steps/s": ({ cost }: Sweep[number]) => number(cost.stepsPerS),
  "time of a step": ({ cost }: Sweep[number]) => ms(cost.msPerStep),
  "Node's CPU": ({ cost }: Sweep[number]) => ms(cost.nodeCpuMsPerStep),
  "Postgres's CPU": ({ cost }: Sweep[number]) => ms(cost.pgCpuMsPerStep),
  "SQL statements": ({ cost }: Sweep[number]) => number(cost.sqlPerStep),
  "in tables": ({ cost }: Sweep[number]) => bytes(cost.tableBytesPerStep),
  WAL: ({ cost }: Sweep[number]) => bytes(cost.walBytesPerStep),
  "memory of a worker": ({ rssMb }: Sweep[number]) => `${number(rssMb)} MB`,
} as const;

const CPU: PanelView = {
  title: "CPU of a step, milliseconds",
  of: (cost) => ({ Node: cost.nodeCpuMsPerStep, Postgres: cost.pgCpuMsPerStep }),
};
const CPU_COLOURS = { Node: "orange", Postgres: "slate" } as const;

const SWEEPS = {
  length: {
    x: "steps of a run",
    xScale: "log",
    colours: { ...CPU_COLOURS, "in tables": "green", WAL: "purple" },
    panels: [
      CPU,
      {
        title: "bytes that a step leaves",
        of: (cost) => ({ "in tables": cost.tableBytesPerStep, WAL: cost.walBytesPerStep }),
      },
    ],
    columns: ["Node's CPU", "Postgres's CPU", "SQL statements", "in tables", "WAL"],
  },
  state: {
    x: "bytes of state",
    xScale: "log",
    colours: { appended: "green", replaced: "orange" },
    panels: [
      {
        title: "CPU of a step, milliseconds",
        of: (cost) => cost.nodeCpuMsPerStep + (cost.pgCpuMsPerStep ?? 0),
      },
      { title: "bytes of WAL that a step leaves", scale: "log", of: (cost) => cost.walBytesPerStep },
    ],
    columns: ["Node's CPU", "Postgres's CPU", "in tables", "WAL"],
  },
  rules: {
    x: "rules",
    xScale: "linear",
    colours: { "of the tool that is called": "purple", "of another tool": "teal" },
    panels: [{ title: "Node's CPU of a step, milliseconds", of: (cost) => cost.nodeCpuMsPerStep }],
    columns: ["Node's CPU", "steps/s"],
  },
  concurrency: {
    x: "runs at once",
    xScale: "log",
    colours: { Signalbox: "orange", "LangGraph with MemorySaver": "blue" },
    panels: [
      { title: "steps a second", of: (cost) => cost.stepsPerS },
      { title: "time of a step, milliseconds", scale: "log", of: (cost) => cost.msPerStep },
    ],
    columns: ["steps/s", "time of a step", "Node's CPU", "Postgres's CPU", "SQL statements"],
  },
  workers: {
    x: "workers",
    xScale: "linear",
    colours: { ...CPU_COLOURS, "steps a second": "green" },
    panels: [{ title: "steps a second", of: (cost) => ({ "steps a second": cost.stepsPerS }) }, CPU],
    columns: ["steps/s", "time of a step", "Node's CPU", "Postgres's CPU", "SQL statements"],
  },
  memory: {
    x: "MB of each half",
    xScale: "linear",
    colours: CPU_COLOURS,
    panels: [],
    columns: ["steps/s", "Node's CPU", "memory of a worker"],
  },
} as const satisfies Readonly<Record<string, SweepView>>;

export type SweepName = keyof typeof SWEEPS;

/** Whether a part of the command is a sweep with a picture. */
export function hasChart(name: string): name is SweepName {
  const found: SweepView | undefined = Object.entries(SWEEPS).find(([one]) => one === name)?.[1];
  return found !== undefined && found.panels.length > 0;
}

export function sweepTable(name: SweepName, sweep: Sweep): string {
  const { x, columns }: SweepView = SWEEPS[name];
  const several = new Set(sweep.map(({ series }) => series)).size > 1;
  return table(
    [x, ...(several ? [""] : []), ...columns],
    sweep.map((point) => [
      count(point.x),
      ...(several ? [point.series] : []),
      ...columns.map((column) => COLUMNS[column](point)),
    ]),
    several ? 2 : 1,
  );
}

export function sweepChart(name: SweepName, sweep: Sweep): Chart {
  const { x, xScale, colours, panels }: SweepView = SWEEPS[name];
  const drawn = panels.map(({ title, scale, of }): Panel => {
    const points = sweep.flatMap(({ series, x: at, cost }) => {
      const figure = of(cost);
      const named =
        typeof figure === "object" && figure !== null ? Object.entries(figure) : [[series, figure] as const];
      return named.flatMap(([line, y]) => (y === null ? [] : [{ series: line, x: at, y }]));
    });
    return { title, ...(scale ? { scale } : {}), points };
  });
  const values = [...new Set(sweep.map((point) => point.x))].toSorted((a, b) => a - b);
  return {
    description: `${panels.map(({ title }) => title).join("; ")}; by ${x}.`,
    specification: lines({ x: { title: x, scale: xScale, values }, panels: drawn, colours }),
  };
}

export function floorTable(figures: Figures<"floor">): string {
  const { langgraph, memorySaver, signalbox, verdictUs, hashUs, eventsPerStep, commitMs, connections } = figures;
  const per = (bytesPerStep: number | null): string => bytes((bytesPerStep ?? NaN) / eventsPerStep);
  const shared = 1 / (signalbox.sqlPerStep ?? NaN);
  return table(
    ["what", "cost"],
    [
      ["a step of LangGraph with no saver, CPU", ms(langgraph.nodeCpuMsPerStep)],
      ["a step of LangGraph with its MemorySaver, CPU", ms(memorySaver.nodeCpuMsPerStep)],
      ["a step of Signalbox, CPU of Node", ms(signalbox.nodeCpuMsPerStep)],
      ["a step of Signalbox, CPU of Postgres", ms(signalbox.pgCpuMsPerStep)],
      ["one verdict, with ten rules about the tool", `${number(verdictUs)} µs`],
      ["the canonical form and the hashes of one event", `${number(hashUs)} µs`],
      ["events that a step records", number(eventsPerStep)],
      ["one event in tables, with its share of the indexes and of its run's row", per(signalbox.tableBytesPerStep)],
      ["the same in the write-ahead log", per(signalbox.walBytesPerStep)],
      ["one row alone, until it is on this machine's disk", ms(commitMs)],
      ["steps that share such a commit, with twenty runs at once", number(shared)],
      ["connections that the worker had open", number(connections)],
    ],
  );
}
