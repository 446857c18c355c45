import type { QuestionView } from "../../../runtime/core/protocol.ts";
import { Badge } from "../ui/badge.tsx";
import { shortId } from "../ui/short-id.ts";
import { Ago } from "../ui/time.tsx";
import { QUESTION_STATUS_WORDS } from "../ui/words.ts";
import { JsonView } from "../values/json-view.tsx";
import { LongText } from "../values/text.tsx";
import { AnswerForm } from "./answer-form.tsx";
import { Card } from "./card.tsx";

interface QuestionCardProps {
  readonly question: QuestionView;
  readonly pointedAt: boolean;
}

/** What an agent asks people, and the form for the answer. */
export function QuestionCard({ question, pointedAt }: QuestionCardProps) {
  const { answered, status } = question;
  const open = status === "open";
  return (
    <Card
      tone={open ? "ask" : null}
      title={
        <>
          <span className="card-name">{question.agent}</span> {open ? "asks" : "asked"} the pool{" "}
          <span className="card-name">{question.pool}</span>
        </>
      }
      status={<Badge {...QUESTION_STATUS_WORDS[status]} />}
      act={<AnswerForm question={question} />}
      session={{ id: question.session, key: question.sessionKey, startedBy: question.startedBy }}
      facts={[
        <>
          Asked <Ago at={question.askedAt} />
        </>,
        <span key="run" title={question.run}>
          Run <span className="mono">{shortId(question.run)}</span>
        </span>,
      ]}
      pointedAt={pointedAt}
    >
      <section>
        <h4>Question</h4>
        <p className="card-question">
          <LongText text={question.text} />
        </p>
      </section>
      {answered !== null && (
        <section>
          <h4>
            Answer of <strong>{answered.by}</strong>, <Ago at={answered.at} />
          </h4>
          <JsonView value={answered.value} />
        </section>
      )}
    </Card>
  );
}
