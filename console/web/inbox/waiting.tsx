import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useEffect, type ReactNode } from "react";
import { INBOX_KINDS, type InboxKind } from "../app/search.ts";
import { useApp } from "../app/context.ts";
import { dropSettled } from "../client/take-news.ts";
import { queries } from "../client/queries.ts";
import { ErrorState, Loading, StateMessage } from "../ui/states.tsx";
import { ApprovalCard } from "./approval-card.tsx";
import { DoubtCard } from "./doubt-card.tsx";
import { InboxTab } from "./inbox-tab.tsx";
import { PointedAtApproval, PointedAtQuestion } from "./pointed-at.tsx";
import { QuestionCard } from "./question-card.tsx";
import { doubtKey, WATCHED_APPROVALS, WATCHED_QUESTIONS } from "./watched.ts";

const route = getRouteApi("/signed-in/inbox");

const KIND_WORDS: Readonly<Record<InboxKind, { readonly title: string; readonly about: string }>> = {
  doubts: { title: "In doubt", about: "Calls that were started, and nobody knows how they ended." },
  approvals: { title: "Approvals", about: "Calls that the rules hold until people have decided." },
  questions: { title: "Questions", about: "What agents ask people. Their runs wait for the answer." },
};

/** Everything that waits for people, of all kinds. */
export function Waiting() {
  const { api, queryClient } = useApp();
  const { only, approval, question, doubt } = route.useSearch();
  const approvals = useQuery(queries.pendingApprovals(api, queryClient));
  const doubts = useQuery(queries.doubts(api, queryClient));
  const questions = useQuery(queries.openQuestions(api, queryClient));
  // What was kept only because it was being looked at goes when the page is left.
  useEffect(() => () => dropSettled(queryClient), [queryClient]);
  const all = { doubts, approvals, questions };
  if (Object.values(all).some((query) => query.isPending)) return <Loading what="inbox" rows={3} />;
  const failed = INBOX_KINDS.filter((kind) => all[kind].isError && all[kind].data === undefined);
  const [first] = failed;
  if (first !== undefined && failed.length === INBOX_KINDS.length && all[first].error !== null) {
    const again = (): void => {
      for (const query of Object.values(all)) void query.refetch();
    };
    return <ErrorState error={all[first].error} what="inbox" retry={again} />;
  }

  const held = approvals.data ?? [];
  const asked = questions.data ?? [];
  const doubted = doubts.data ?? [];
  const cards: Readonly<Record<InboxKind, readonly ReactNode[]>> = {
    doubts: doubted.map((each) => (
      <DoubtCard key={doubtKey(each.doubt)} {...each} pointedAt={doubtKey(each.doubt) === doubt} />
    )),
    approvals: held.map((each) => (
      <ApprovalCard key={each.approval} approval={each} pointedAt={each.approval === approval} />
    )),
    questions: asked.map((each) => (
      <QuestionCard key={each.question} question={each} pointedAt={each.question === question} />
    )),
  };
  // What was settled meanwhile is still shown, and no longer counted.
  const waiting: Readonly<Record<InboxKind, number>> = {
    doubts: doubted.filter((each) => !each.settled).length,
    approvals: held.filter(WATCHED_APPROVALS.waits).length,
    questions: asked.filter(WATCHED_QUESTIONS.waits).length,
  };
  // A link may point at what was settled long ago.
  const elsewhere = [
    approval !== undefined && !held.some((each) => each.approval === approval) && (
      <PointedAtApproval key="approval" approval={approval} />
    ),
    question !== undefined && !asked.some((each) => each.question === question) && (
      <PointedAtQuestion key="question" question={question} />
    ),
  ].filter((card) => card !== false);
  const kinds = INBOX_KINDS.filter((kind) => cards[kind].length > 0);
  const shown = only === undefined ? kinds : kinds.filter((kind) => kind === only);
  return (
    <div className="cards">
      {(kinds.length > 1 || only !== undefined) && <Kinds waiting={waiting} only={only} />}
      {elsewhere}
      {failed.map((kind) => (
        <p key={kind} className="notice bad" role="alert">
          What waits under “{KIND_WORDS[kind].title}” could not be read: {all[kind].error?.message}
        </p>
      ))}
      {shown.map((kind) => (
        <section key={kind} aria-labelledby={`inbox-${kind}`}>
          <h2 id={`inbox-${kind}`} className="section-title">
            {KIND_WORDS[kind].title} <span className="dim">{KIND_WORDS[kind].about}</span>
          </h2>
          {cards[kind]}
        </section>
      ))}
      {shown.length === 0 && elsewhere.length === 0 && failed.length === 0 && <NothingWaits only={only} />}
    </div>
  );
}

/** How many there are of each kind, and the way to see one kind alone. */
function Kinds({
  waiting,
  only,
}: {
  readonly waiting: Readonly<Record<InboxKind, number>>;
  readonly only: InboxKind | undefined;
}) {
  const total = INBOX_KINDS.reduce((sum, kind) => sum + waiting[kind], 0);
  return (
    <nav className="tabs" aria-label="Kinds">
      <InboxTab search={{}} on={only === undefined}>
        All <span className="dim">{total}</span>
      </InboxTab>
      {INBOX_KINDS.map((kind) => (
        <InboxTab key={kind} search={{ only: kind }} on={only === kind}>
          {KIND_WORDS[kind].title} <span className="dim">{waiting[kind]}</span>
        </InboxTab>
      ))}
    </nav>
  );
}

function NothingWaits({ only }: { readonly only: InboxKind | undefined }) {
  return only === undefined ? (
    <StateMessage title="Nothing waits for people">
      Calls that the rules hold, calls in doubt and questions of agents appear here by themselves.
    </StateMessage>
  ) : (
    <StateMessage
      title={`Nothing waits under “${KIND_WORDS[only].title}”`}
      action={
        <Link to="/inbox" search={{}}>
          Show everything that waits
        </Link>
      }
    />
  );
}
