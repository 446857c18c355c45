import { Link } from "@tanstack/react-router";
import { useEffect, useId, useRef, type ReactNode } from "react";
import type { Actor } from "../../../runtime/core/people.ts";
import { shortId } from "../ui/short-id.ts";
import { actorWords } from "../ui/words.ts";
import { Text } from "../values/text.tsx";

interface CardProps {
  /** What it is; null once nobody has to do anything about it. */
  readonly tone: "wait" | "doubt" | "ask" | null;
  readonly title: ReactNode;
  /** At the right of the title: how long there is, or what has become of it. */
  readonly status: ReactNode;
  /** What it is about. */
  readonly children: ReactNode;
  /** What a person can do about it. */
  readonly act: ReactNode;
  readonly session: { readonly id: string; readonly key: string | null; readonly startedBy?: Actor };
  readonly facts: readonly ReactNode[];
  /** A link led here. */
  readonly pointedAt: boolean;
}

/** One thing of the inbox: what it is about on the left, what a person can do about it on the right. */
export function Card({ tone, title, status, children, act, session, facts, pointedAt }: CardProps) {
  const card = useRef<HTMLElement>(null);
  const id = useId();
  useEffect(() => {
    if (pointedAt) card.current?.scrollIntoView({ block: "start" });
  }, [pointedAt]);
  const name = session.key === null ? shortId(session.id) : session.key;
  return (
    <article
      ref={card}
      className={["card", tone ?? "settled", pointedAt ? "pointed" : ""].join(" ").trim()}
      aria-labelledby={id}
    >
      <header className="card-head">
        <h3 id={id}>{title}</h3>
        {status}
      </header>
      <div className="card-body">
        <div className="card-what">{children}</div>
        <div className="card-act">{act}</div>
      </div>
      <footer className="card-foot">
        <span>
          Session{" "}
          <strong>
            <Text text={name} />
          </strong>
          {session.startedBy !== undefined && <>, started by {actorWords(session.startedBy)}</>}
        </span>
        {facts.map((fact, i) => (
          <span key={i}>{fact}</span>
        ))}
        <Link to="/sessions/$session" params={{ session: session.id }}>
          What led to this<span className="unseen"> in session {name}</span>
        </Link>
      </footer>
    </article>
  );
}
