import { decide } from "../../runtime/approvals/decide.ts";
import { resolveDoubt } from "../../runtime/approvals/doubts.ts";
import { answerQuestion } from "../../runtime/approvals/questions.ts";
import type { Principal } from "../../runtime/core/people.ts";
import { deliverIn } from "../../runtime/journal/deliver.ts";
import type { Scene } from "./scene.ts";

export const OLGA: Principal = { name: "olga", kind: "person", roles: ["operator"], pools: ["finance"] };

/** Approves what waits, answers what is asked, and settles what is in doubt by what the bank says. */
export async function operate(scene: Scene): Promise<void> {
  const { database } = scene.books;
  const sessions = [scene.runs.map(({ run }) => run)];
  const doubts = await database.query<{ run: string; effect: string; id: string; tool: string; input: string }>(
    `select run_id as run, effect, effect_id as id, tool, input from doubts
     where resolved_at is null and session_id = any($1::uuid[])`,
    sessions,
  );
  for (const { run, effect, id, tool, input } of doubts) {
    if (!scene.terms.doubts) scene.violated("lost", `what became of ${tool} ${input} is not known`);
    const happened = scene.bank.find(id) !== undefined;
    await wake(scene, () =>
      resolveDoubt({ database, deliver: deliverIn }, OLGA, {
        run,
        effect,
        resolution: happened ? "happened" : "did_not_happen",
        ...(happened ? { result: { key: id } } : {}),
        reason: "The bank says so.",
      }),
    );
  }
  if (!scene.terms.operator) return;
  await approveAll(scene);
  await answerAll(scene);
}

/** @returns how many approvals were decided. */
export async function approveAll(scene: Scene): Promise<number> {
  const { database } = scene.books;
  const approvals = await database.query<{ approval: string; argsHash: string }>(
    `select approval_id as approval, args_hash as "argsHash" from approvals
     where status = 'pending' and session_id = any($1::uuid[])`,
    [scene.runs.map(({ run }) => run)],
  );
  for (const { approval, argsHash } of approvals) {
    await wake(scene, () =>
      decide({ database, deliver: deliverIn }, OLGA, { approval, argsHash, decision: "approve", reason: "" }),
    );
  }
  return approvals.length;
}

/** @returns how many questions were answered. */
export async function answerAll(scene: Scene): Promise<number> {
  const { database } = scene.books;
  const questions = await database.query<{ question: string }>(
    "select question_id as question from questions where status = 'open' and session_id = any($1::uuid[])",
    [scene.runs.map(({ run }) => run)],
  );
  for (const { question } of questions) {
    await wake(scene, () =>
      answerQuestion({ database, deliver: deliverIn }, OLGA, { question, answer: { key: "a person" } }),
    );
  }
  return questions.length;
}

async function wake(scene: Scene, act: () => Promise<{ run: string; agent: string } | null>): Promise<void> {
  const woken = await act();
  if (woken) scene.lane.bus.wake(woken.agent, [woken.run]);
}
