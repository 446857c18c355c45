import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useId } from "react";
import type { RunStatus } from "../../../runtime/core/events.ts";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";
import type { SessionsSearch } from "../app/search.ts";
import { RUN_STATUS_ORDER, RUN_STATUS_WORDS } from "../ui/words.ts";

const route = getRouteApi("/signed-in/sessions");

/** What the list is narrowed to. The address holds it, so that it can be sent to somebody. */
export function SessionsFilters({ filter }: { readonly filter: SessionsSearch }) {
  const { api } = useApp();
  // Suggestions only: any other name may be typed.
  const { data } = useQuery(queries.agents(api));
  const agents = data?.map((agent) => agent.name).toSorted() ?? [];
  const navigate = route.useNavigate();
  const list = useId();
  const setStatus = (status: RunStatus | undefined): void => {
    void navigate({ search: ({ status: _old, ...rest }) => (status === undefined ? rest : { ...rest, status }) });
  };
  const setAgent = (agent: string): void => {
    if (agent === (filter.agent ?? "")) return;
    void navigate({ search: ({ agent: _old, ...rest }) => (agent === "" ? rest : { ...rest, agent }) });
  };
  return (
    <div className="filters" role="group" aria-label="Filter">
      <div className="tabs" role="group" aria-label="Status">
        <button type="button" aria-pressed={filter.status === undefined} onClick={() => setStatus(undefined)}>
          All
        </button>
        {RUN_STATUS_ORDER.map((status) => (
          <button key={status} type="button" aria-pressed={filter.status === status} onClick={() => setStatus(status)}>
            {RUN_STATUS_WORDS[status].text}
          </button>
        ))}
      </div>
      <input
        // A new one when the address changes, so that "back" also sets what is typed here.
        key={filter.agent ?? ""}
        className="agent-filter"
        type="search"
        list={list}
        placeholder="Any agent"
        aria-label="Agent"
        defaultValue={filter.agent ?? ""}
        onChange={(event) => {
          // Choosing a suggestion, or clearing the field, needs no Enter.
          if (event.target.value === "" || agents.includes(event.target.value)) setAgent(event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") setAgent(event.currentTarget.value.trim());
        }}
        onBlur={(event) => setAgent(event.target.value.trim())}
      />
      <datalist id={list}>
        {agents.map((agent) => (
          <option key={agent} value={agent} />
        ))}
      </datalist>
    </div>
  );
}
