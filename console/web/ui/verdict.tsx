import type { Verdict } from "../../../runtime/core/verdict.ts";
import { LongText, Text } from "../values/text.tsx";
import { Badge } from "./badge.tsx";
import { DECISION_WORDS, RULE_EFFECT_WORDS } from "./words.ts";

/** What the rules said of a call: the decision, the sentence for people, and each rule that counted. */
export function VerdictView({ verdict, note }: { readonly verdict: Verdict; readonly note?: string }) {
  const word = DECISION_WORDS[verdict.decision];
  // "The rule "x" permits it." has said already which one.
  const rules = verdict.rules.filter((rule) => rule.effect !== "permit" || !verdict.reason.includes(`"${rule.id}"`));
  return (
    <div className="verdict">
      {note !== undefined && <p className="dim">{note}</p>}
      <p className="verdict-reason">
        <Badge tone={word.tone} text={word.text} />
        <LongText text={verdict.reason} />
      </p>
      {verdict.fault !== undefined && (
        <p className="bad">
          <LongText text={verdict.fault} />
        </p>
      )}
      <ul className="rules">
        {rules.map((rule) => (
          <li key={rule.id}>
            <span className="mono rule-id">
              <Text text={rule.id} />
            </span>{" "}
            {RULE_EFFECT_WORDS[rule.effect]}
            {rule.reason !== undefined && rule.reason !== verdict.reason && (
              <>
                : <LongText text={rule.reason} />
              </>
            )}
          </li>
        ))}
        {verdict.rules.length === 0 && <li>No rule permits it, so it is denied.</li>}
      </ul>
      <p className="dim">
        Rule set <span className="mono">{verdict.ruleSet.slice(0, 12)}</span>
      </p>
    </div>
  );
}
