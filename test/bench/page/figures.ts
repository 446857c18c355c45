import { readFile, writeFile } from "node:fs/promises";
import { z } from "zod";

/** What a step costs: `StepCost` of `engine/step-cost.ts`. */
const cost = z.object({
  stepsPerS: z.number(),
  msPerStep: z.number(),
  sqlPerStep: z.number().nullable(),
  walBytesPerStep: z.number().nullable(),
  tableBytesPerStep: z.number().nullable(),
  nodeCpuMsPerStep: z.number(),
  pgCpuMsPerStep: z.number().nullable(),
});

/** What a step costs at each of some sizes. */
const sweep = z.array(z.object({ series: z.string(), x: z.number(), cost, rssMb: z.number() }));

const wait = z.object({ p50Ms: z.number(), p99Ms: z.number() });

/** What each command measures for the page, by the name of the block that shows it. */
const shapes = {
  profile: z.record(z.string(), z.object({ cost, owners: z.record(z.string(), z.number()) })),
  floor: z.object({
    langgraph: cost,
    memorySaver: cost,
    signalbox: cost,
    verdictUs: z.number(),
    hashUs: z.number(),
    eventsPerStep: z.number(),
    commitMs: z.number(),
    connections: z.number(),
  }),
  length: sweep,
  state: sweep,
  rules: sweep,
  concurrency: sweep,
  workers: sweep,
  memory: sweep,
  engine: z.object({
    versions: z.record(z.string(), z.string()),
    scenes: z.record(z.enum(["c1", "c20", "c20w2"]), z.record(z.string(), cost)),
  }),
  waking: z.object({
    wake: wait.extend({ decisions: z.number() }),
    live: wait.extend({ events: z.number(), frames: z.number() }),
    alone20: z.object({ memorySaverMsPerStep: z.number(), signalboxMsPerStep: z.number(), ratio: z.number() }),
    growth: z.object({
      steps: z.number(),
      tableBytes: z.number(),
      walBytes: z.number(),
      msPerStepAt50: z.number(),
      msPerStepAt5000: z.number(),
      ratio: z.number(),
    }),
  }),
  lists: z.object({
    events: z.number(),
    sessions: z.number(),
    routes: z.number(),
    worst: wait.extend({ route: z.string() }),
    serverMb: z.number(),
  }),
  verify: z.object({ events: z.number(), seconds: z.number(), eventsPerS: z.number() }),
};

export type FigureName = keyof typeof shapes;
export type Figures<Name extends FigureName> = z.infer<(typeof shapes)[Name]>;
export type Sweep = z.infer<typeof sweep>;

/** Figures, and what they were measured on: without it they say nothing. */
export interface Measured<Name extends FigureName> {
  /** The command that measures them again. */
  readonly command: string;
  readonly machine: string;
  /** A day, as YYYY-MM-DD. */
  readonly measured: string;
  readonly figures: Figures<Name>;
}

export type AllFigures = { readonly [Name in FigureName]?: Measured<Name> };

export const FIGURE_NAMES = Object.keys(shapes) as FigureName[];

const measured = <Shape extends z.ZodType>(figures: Shape) =>
  z.object({ command: z.string(), machine: z.string(), measured: z.string(), figures });
const stored = z.strictObject(
  Object.fromEntries(FIGURE_NAMES.map((name) => [name, measured(shapes[name]).optional()])),
);

/** The figures that the page shows. @throws `ZodError` if they are not figures */
export async function readFigures(file: URL): Promise<AllFigures> {
  return stored.parse(JSON.parse(await readFile(file, "utf8")));
}

export async function writeFigures(file: URL, figures: AllFigures): Promise<void> {
  await writeFile(file, `${JSON.stringify(figures, null, 2)}\n`);
}
