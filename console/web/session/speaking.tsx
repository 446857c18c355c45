import { useSyncExternalStore } from "react";
import type { Saying } from "../live/saying.ts";
import { Badge } from "../ui/badge.tsx";
import { Text } from "../values/text.tsx";
import { callName } from "./entries.ts";
import type { SessionStore } from "./session-store.ts";

/** So much of a long text is shown while it grows. */
const SHOWN_LENGTH = 2000;

interface SpeakingProps {
  readonly store: SessionStore;
  readonly agentOf: (run: string) => string;
}

/** The model calls that are under way, with what they say. Each makes room for its entry when the record has it. */
export function Speaking({ store, agentOf }: SpeakingProps) {
  const sayings = useSyncExternalStore(store.onChange, store.sayings);
  return [...sayings].map(([key, saying]) => <SpeakingRow key={key} saying={saying} agent={agentOf(saying.run)} />);
}

function SpeakingRow({ saying, agent }: { readonly saying: Saying; readonly agent: string }) {
  const { name, text, cut } = saying;
  const shown = text.slice(-SHOWN_LENGTH);
  return (
    <li>
      <div className="entry effect speaking">
        <span className="entry-time" />
        <span className="entry-agent">{agent}</span>
        <span className="entry-what">
          <span className="entry-call">
            <span className="entry-name">{callName({ proposal: { kind: "model", name } })}</span>
          </span>
          <span className="entry-saying">
            <span>
              {(cut || shown !== text) && (
                <span className="cut" aria-hidden="true">
                  …
                </span>
              )}
              <Text text={shown} />
            </span>
          </span>
        </span>
        <span className="entry-judged" />
        <span className="entry-status">
          <Badge tone="busy" text="Speaking" />
        </span>
      </div>
    </li>
  );
}
