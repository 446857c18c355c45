import type { Chart } from "../charts/chart.ts";
import { listedBars, stacked, stackedBars, type Bar } from "../charts/bars.ts";
import type { COLOURS } from "../charts/theme.ts";
import { PARTS } from "../profile/owners.ts";
import type { Figures } from "./figures.ts";
import { ms, number, table } from "./markdown.ts";

const SERVER = "Postgres, the server";
const NAMES: Readonly<Record<string, string>> = {
  signalbox: "Signalbox",
  memorySaver: "LangGraph with MemorySaver",
};
const colours: Readonly<Record<string, keyof typeof COLOURS>> = {
  ...Object.fromEntries(PARTS.map(({ part, colour }) => [part, colour])),
  [SERVER]: "slate",
};

type Profile = Figures<"profile">[string];

/** Milliseconds a step of each part, and of who has code of it. */
function partsOf({ owners }: Profile) {
  return PARTS.map(({ part, owners: names }) => {
    const within = Object.entries(names)
      .map(([owner, what]) => ({ what, ms: owners[owner] ?? 0 }))
      .filter((one) => one.ms >= 0.0005)
      .toSorted((a, b) => b.ms - a.ms);
    return { part, ms: within.reduce((sum, one) => sum + one.ms, 0), within };
  }).filter(({ within }) => within.length > 0);
}

export function profileChart(profiles: Figures<"profile">): Chart {
  const whole = Object.entries(profiles).flatMap(([name, profile]) => {
    const { nodeCpuMsPerStep: node, pgCpuMsPerStep: server } = profile.cost;
    const row = `${NAMES[name] ?? name}: ${ms(node + (server ?? 0))}`;
    const bars: Bar[] = partsOf(profile).map(({ part, ms: value }) => ({ row, kind: part, value }));
    return server === null ? bars : [...bars, { row, kind: SERVER, value: server }];
  });
  const { signalbox } = profiles;
  const parts = signalbox ? partsOf(signalbox) : [];
  const detail = parts.flatMap(({ part, within }) =>
    within.map(({ what, ms: value }) => ({ row: what, kind: part, value, label: `${value.toFixed(3)}  ${what}` })),
  );
  return {
    description: `CPU of a step, divided among its parts: ${parts.map(({ part, ms: took }) => `${part} ${ms(took)}`).join(", ")}.`,
    specification: stacked([
      stackedBars({ title: "CPU of a step", axis: "milliseconds", bars: whole, colours }),
      listedBars({
        title: "Signalbox: whose code, in milliseconds",
        axis: "milliseconds",
        bars: detail,
        colours,
      }),
    ]),
  };
}

export function profileTable(profiles: Figures<"profile">): string {
  const { signalbox, memorySaver } = profiles;
  if (!signalbox || !memorySaver) return "";
  const beside = new Map(partsOf(memorySaver).map(({ part, ms: took }) => [part, took]));
  const rows = partsOf(signalbox).map(({ part, ms: took }) => [
    part,
    ms(took),
    `${number((100 * took) / signalbox.cost.nodeCpuMsPerStep)} %`,
    ms(beside.get(part) ?? null),
  ]);
  return table(
    ["part of a step", "Signalbox", "of Node's", "LangGraph with MemorySaver"],
    [
      ...rows,
      ["**Node, all**", ms(signalbox.cost.nodeCpuMsPerStep), "", ms(memorySaver.cost.nodeCpuMsPerStep)],
      [`**${SERVER}**`, ms(signalbox.cost.pgCpuMsPerStep), "", "–"],
    ],
  );
}
