import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { CallFailedError, CallRefusedError, defineAgent, type Handles } from "signalbox";
import { z } from "zod";
import { assessor } from "./assessor.ts";
import { outcomeSchema, type Assessment, type Claim, type Outcome, type Policy, type Signal } from "./claim.ts";
import { fraud } from "./fraud.ts";
import { LETTER_SYSTEM_PROMPT, letterPrompt, modelLetter, templateLetter } from "./letter.ts";
import { payout } from "./payout.ts";
import { proposalOf, rejectedOutcome, settledOutcome } from "./outcome.ts";
import { refusalOf } from "./refusal.ts";
import { fileLetterTool, findPolicyTool } from "./tools.ts";
import { claimIdOf, matchPolicy, validateRecord } from "./validate.ts";

const State = Annotation.Root({
  record: Annotation<unknown>(),
  unreadable: Annotation<string | undefined>(),
  claim: Annotation<Claim | undefined>(),
  policy: Annotation<Policy | undefined>(),
  accountsOnFile: Annotation<string[]>(),
  assessment: Annotation<Assessment | undefined>(),
  signals: Annotation<Signal[]>(),
  outcome: Annotation<Outcome | undefined>(),
  letter: Annotation<string | undefined>(),
});

/** What the nodes behind `examine` know for certain. */
interface Examined {
  readonly claim: Claim;
  readonly policy: Policy;
  readonly assessment: Assessment;
  readonly signals: readonly Signal[];
}

const tools = { findPolicy: findPolicyTool, fileLetter: fileLetterTool };
const agents = { assessor, fraud, payout };

/**
 * Takes a record as the feed delivers it, whatever it is, and sees it through: checked, examined by the
 * assessor and for fraud at the same time, proposed for payment, and answered with a letter. Its branches
 * depend on whether there is a claim that the policy covers, never on limits, lapses or signals of fraud.
 */
export const intake = defineAgent({
  name: "intake",
  description: "Takes a claim in and sees it through to its outcome.",
  team: "claims",
  state: State,
  input: z.object({ record: z.json(), unreadable: z.string().optional() }),
  output: z.object({ outcome: outcomeSchema }),
  tools,
  agents,
  rules: new URL("./rules.cedar", import.meta.url),
  graph: (handles) =>
    new StateGraph(State)
      .addNode("validate", ({ record, unreadable }) => {
        const validated = validateRecord(record, unreadable);
        return validated.ok
          ? { claim: validated.claim }
          : { outcome: rejectedOutcome(claimIdOf(record), validated.rejection) };
      })
      .addNode("find_policy", async ({ claim }) => {
        const { claimId, policyId, currency } = present(claim, "claim");
        try {
          const { policy, accountsOnFile } = await handles.tools.findPolicy({ policyId });
          const mismatch = matchPolicy(present(claim, "claim"), policy);
          if (mismatch) return { outcome: rejectedOutcome(claimId, mismatch) };
          return { policy: present(policy ?? undefined, "policy"), accountsOnFile };
        } catch (error) {
          return { outcome: settledOutcome({ claimId, currency, proposedMinor: 0, signals: [] }, refused(error)) };
        }
      })
      .addNode("examine", async ({ claim, policy, accountsOnFile }) => {
        const on = { claim: present(claim, "claim"), policy: present(policy, "policy") };
        try {
          const answers = await Promise.allSettled([
            handles.agents.assessor.ask(on),
            handles.agents.fraud.ask({ ...on, accountsOnFile }),
          ]);
          const { assessment } = fulfilled(answers[0]);
          const { signals } = fulfilled(answers[1]);
          if (!assessment.rejection) return { assessment, signals };
          return { assessment, signals, outcome: rejectedOutcome(on.claim.claimId, assessment.rejection) };
        } catch (error) {
          const { claimId, currency } = on.claim;
          return { outcome: settledOutcome({ claimId, currency, proposedMinor: 0, signals: [] }, refused(error)) };
        }
      })
      .addNode("pay", async ({ claim, policy, assessment, signals }) => {
        const examined: Examined = {
          claim: present(claim, "claim"),
          policy: present(policy, "policy"),
          assessment: present(assessment, "assessment"),
          signals,
        };
        const proposal = proposalOf(examined);
        const about = {
          claimId: proposal.claimId,
          currency: proposal.currency,
          proposedMinor: proposal.amountMinor,
          signals: signals.map(({ signal }) => signal),
        };
        try {
          const { settlement } = await handles.agents.payout.ask({ proposal });
          return { outcome: settledOutcome(about, settlement) };
        } catch (error) {
          return { outcome: settledOutcome(about, refused(error)) };
        }
      })
      .addNode("write_letter", async ({ claim, policy, outcome }) => {
        const on = present(claim, "claim");
        const letter = await compose(handles, on, present(policy, "policy"), present(outcome, "outcome"));
        try {
          const { file } = await handles.tools.fileLetter({ claimId: on.claimId, ...letter });
          return { letter: file };
        } catch (error) {
          // What was decided stands, with or without a letter.
          handles.log.warn("The letter was not filed.", { claim: on.claimId, reason: whyNot(error) });
          return {};
        }
      })
      .addEdge(START, "validate")
      .addConditionalEdges("validate", ({ outcome }) => (outcome ? END : "find_policy"), ["find_policy", END])
      .addConditionalEdges("find_policy", ({ outcome }) => (outcome ? END : "examine"), ["examine", END])
      .addConditionalEdges("examine", ({ outcome }) => (outcome ? "write_letter" : "pay"), ["pay", "write_letter"])
      .addEdge("pay", "write_letter")
      .addEdge("write_letter", END),
});

/** The model's letter where one is configured and it keeps to the facts, else the template's. */
async function compose(
  { models, log }: Pick<Handles<typeof tools, typeof agents>, "models" | "log">,
  claim: Claim,
  policy: Policy,
  outcome: Outcome,
): Promise<{ to: string; subject: string; body: string }> {
  const model = models.get("letters");
  if (model) {
    try {
      const prompt = letterPrompt(claim, policy, outcome);
      const { text } = await model.chat({ system: LETTER_SYSTEM_PROMPT, prompt });
      const written = modelLetter(claim, policy, outcome, text);
      if (written) return written;
      log.warn("The model's letter does not keep to the facts; the template is used.", { claim: claim.claimId });
    } catch (error) {
      log.warn("No letter came from the model; the template is used.", { claim: claim.claimId, reason: whyNot(error) });
    }
  }
  return templateLetter(claim, policy, outcome);
}

/** The value of one of several calls; taken after all of them have ended, so that none is left behind. */
function fulfilled<T>(result: PromiseSettledResult<T>): T {
  if (result.status === "rejected") throw result.reason;
  return result.value;
}

/** A refusal as a settlement; any other error goes on. */
function refused(error: unknown): ReturnType<typeof refusalOf> {
  if (error instanceof CallRefusedError) return refusalOf(error);
  throw error;
}

/** Why a call that can be done without came to nothing; any other error goes on. */
function whyNot(error: unknown): string {
  if (error instanceof CallRefusedError || error instanceof CallFailedError) return error.message;
  throw error;
}

function present<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`The ${name} is missing: this node ran before the one that sets it.`);
  return value;
}
