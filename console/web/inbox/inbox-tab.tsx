import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { InboxSearch } from "../app/search.ts";

interface InboxTabProps {
  readonly search: InboxSearch;
  readonly on: boolean;
  readonly children: ReactNode;
}

/** The way to one part of the inbox. */
export function InboxTab({ search, on, children }: InboxTabProps) {
  return (
    <Link
      to="/inbox"
      search={search}
      // Otherwise every link to this page would say that it is where the reader is.
      activeOptions={{ exact: true, includeSearch: true }}
      data-on={on}
      aria-current={on ? "page" : false}
    >
      {children}
    </Link>
  );
}
