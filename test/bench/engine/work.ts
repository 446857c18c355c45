/** What every contestant does in a run: five steps, each of which calls a read tool and appends 100 bytes. */
export const STEPS = ["gather", "check", "weigh", "decide", "report"] as const;
export type StepName = (typeof STEPS)[number];

/** What a step appends to the state. */
export const APPENDED = "x".repeat(100);

let calls = 0;

/** The arguments of the next call: no two are the same. */
export function nextCall(step: StepName): { readonly step: StepName; readonly question: string } {
  calls++;
  return { step, question: `${String(process.pid)}-${String(calls)}` };
}

/** The tool: it looks something up, in no time at all. */
export function look({ step, question }: { readonly step: string; readonly question: string }): Promise<{
  readonly answer: string;
}> {
  return Promise.resolve({ answer: `${question}/${step}` });
}
