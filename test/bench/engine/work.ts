/**
 * What every contestant does in a run: steps, each of which calls a read tool and appends 100 bytes. `BENCH_STEPS` says
 * how many; five if nobody says.
 */
const NAMES = ["gather", "check", "weigh", "decide", "report"];
export const STEPS = stepsOf(Number(process.env["BENCH_STEPS"] ?? NAMES.length));

/** The names of so many steps. */
function stepsOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => {
    const round = Math.floor(i / NAMES.length);
    return `${NAMES[i % NAMES.length] ?? ""}${round === 0 ? "" : String(round + 1)}`;
  });
}

/** What a step appends to the state. */
export const APPENDED = "x".repeat(100);

let calls = 0;

/** The arguments of the next call: no two are the same. */
export function nextCall(step: string): { readonly step: string; readonly question: string } {
  calls++;
  return { step, question: `${String(process.pid)}-${String(calls)}` };
}

/** The tool: it looks something up, in no time at all. */
export function look({ step, question }: { readonly step: string; readonly question: string }): Promise<{
  readonly answer: string;
}> {
  return Promise.resolve({ answer: `${question}/${step}` });
}
