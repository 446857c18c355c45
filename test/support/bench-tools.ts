/** The tools of the benchmark's agents: both look something up, in no time at all, and one of them must not be repeated. */
import { defineTool } from "signalbox";
import { z } from "zod";
import { look } from "../bench/engine/work.ts";

const Call = z.object({ step: z.string(), question: z.string() });
const Answer = z.object({ answer: z.string() });

export const lookTool = defineTool({ name: "desk.look", effect: "read", input: Call, output: Answer, run: look });
export const payTool = defineTool({ name: "desk.pay", effect: "irreversible", input: Call, output: Answer, run: look });
