/** The blocks and the chart of what `npm run bench:engine` measures. */
import { groupedBars } from "../charts/bars.ts";
import type { Chart } from "../charts/chart.ts";
import type { Figures } from "./figures.ts";
import { bytes, count, ms, number, table } from "./markdown.ts";

const SCENES = {
  c1: "one run at a time",
  c20: "twenty at once",
  c20w2: "twenty at once, two processes",
} as const;

/** What is compared, in the order of the page, and what it does. */
const CONTESTANTS: Readonly<
  Record<string, { readonly title: string; readonly keeps: string; readonly judged: string }>
> = {
  langgraph: { title: "LangGraph", keeps: "nothing", judged: "no" },
  memorySaver: { title: "LangGraph, MemorySaver", keeps: "all states, in memory", judged: "no" },
  postgresSaver: { title: "LangGraph, PostgresSaver", keeps: "each state, before the next step", judged: "no" },
  dbos: { title: "DBOS", keeps: "each step's result, in Postgres", judged: "no" },
  restate: { title: "Restate", keeps: "each step's result, in a server of its own", judged: "no" },
  mastra: { title: "Mastra", keeps: "each step's result, in Postgres", judged: "no" },
  signalbox: {
    title: "Signalbox",
    keeps: "each step, call and verdict, hash-chained, in Postgres",
    judged: "each call",
  },
  signalboxIrreversible: {
    title: "Signalbox, irreversible",
    keeps: "the same, and the last call's intent before it is made",
    judged: "each call",
  },
};

const title = (name: string): string => CONTESTANTS[name]?.title ?? name;

export function engineChart({ scenes }: Figures<"engine">): Chart {
  const names = Object.keys(CONTESTANTS).filter((name) => scenes.c20[name]);
  const bars = names.flatMap((name) =>
    (["c1", "c20", "c20w2"] as const).map((scene) => {
      const value = scenes[scene][name]?.stepsPerS ?? NaN;
      return { row: title(name), kind: SCENES[scene], value, label: number(value) };
    }),
  );
  return {
    description: `Steps a second, twenty runs at once: ${names.map((name) => `${title(name)} ${number(scenes.c20[name]?.stepsPerS ?? null)}`).join(", ")}.`,
    specification: groupedBars({
      title: "Steps a second",
      axis: "more is better",
      bars,
      colours: { [SCENES.c1]: "grey", [SCENES.c20]: "blue", [SCENES.c20w2]: "orange" },
      rowsWidth: 170,
    }),
  };
}

export function engineTable({ scenes, versions }: Figures<"engine">): string {
  const names = Object.keys(CONTESTANTS).filter((name) => scenes.c20[name]);
  const speed = table(
    ["steps a second", ...Object.values(SCENES), "Node's CPU of a step", "SQL of a step"],
    names.map((name) => [
      title(name),
      ...(["c1", "c20", "c20w2"] as const).map((scene) => number(scenes[scene][name]?.stepsPerS ?? null)),
      ms(scenes.c20[name]?.nodeCpuMsPerStep ?? null),
      number(scenes.c20[name]?.sqlPerStep ?? null),
    ]),
  );
  const does = [
    "| what it does | what is kept when a run has ended | judged by rules |",
    "| --- | --- | --- |",
    ...names.map(
      (name) => `| ${title(name)} | ${CONTESTANTS[name]?.keeps ?? ""} | ${CONTESTANTS[name]?.judged ?? ""} |`,
    ),
  ].join("\n");
  const all = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${speed}\n\n${does}\n\nVersions: ${all.join(", ")}.`;
}

export function wakingTable({ wake, live, alone20, growth }: Figures<"waking">): string {
  const waits = table(
    ["from … until …", "median", "99th percentile", "measured"],
    [
      [
        "an approval is asked to be decided … the node after the held call starts",
        ms(wake.p50Ms),
        ms(wake.p99Ms),
        `${count(wake.decisions)} decisions`,
      ],
      [
        "an event is committed … its frame is at a client of the console",
        ms(live.p50Ms),
        ms(live.p99Ms),
        `${count(live.events)} events`,
      ],
    ],
  );
  const others = table(
    ["what", "figure"],
    [
      ["a step of a run alone, of twenty steps: Signalbox", ms(alone20.signalboxMsPerStep)],
      ["the same: LangGraph with its MemorySaver", ms(alone20.memorySaverMsPerStep)],
      [
        `a run of ${count(growth.steps)} supersteps that call nothing: in tables, WAL`,
        `${bytes(growth.tableBytes)}, ${bytes(growth.walBytes)}`,
      ],
      [
        "its superstep around the 50th, and around the 5,000th of a longer one",
        `${ms(growth.msPerStepAt50)}, ${ms(growth.msPerStepAt5000)}`,
      ],
    ],
  );
  return `${waits}\n\n${others}`;
}
