import type { ReactNode } from "react";
import type { EventData } from "../../../runtime/core/events.ts";
import { JsonView } from "../values/json-view.tsx";
import { LongText, Text } from "../values/text.tsx";

/** A titled part of what the inspector shows. */
export function Part({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section className="part">
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** An error as it was recorded. */
export function ErrorView({ error }: { readonly error: EventData<"run_failed">["error"] }) {
  return (
    <div className="error-view">
      <p>
        <Text text={error.name} />: <LongText text={error.message} />
      </p>
      {error.code !== undefined && <code className="code">{error.code}</code>}
      {error.details !== undefined && <JsonView value={error.details} />}
    </div>
  );
}
