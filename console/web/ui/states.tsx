import type { ReactNode } from "react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { isStatus, UnreachableError, ApiError } from "../client/errors.ts";
import { queries } from "../client/queries.ts";
import { useApp } from "../app/context.ts";

interface StateProps {
  readonly title: string;
  readonly children?: ReactNode;
  readonly action?: ReactNode;
}

/** A page or a part of one that has nothing to show, and says why and what to do. */
export function StateMessage({ title, children, action }: StateProps) {
  return (
    <div className="state">
      <h2>{title}</h2>
      {children !== undefined && <div className="state-text">{children}</div>}
      {action !== undefined && <div className="state-action">{action}</div>}
    </div>
  );
}

/** Rows in the shape of what will come. */
export function Loading({ what, rows = 6 }: { readonly what: string; readonly rows?: number }) {
  return (
    <div className="loading" role="status" aria-label={`Loading ${what}`}>
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className="loading-row" />
      ))}
    </div>
  );
}

/** Why something could not be read, in the words of what happened. */
export function ErrorState({
  error,
  what,
  retry,
}: {
  readonly error: Error;
  readonly what: string;
  readonly retry: () => void;
}) {
  const again = (
    <button type="button" onClick={retry}>
      Try again
    </button>
  );
  if (isStatus(error, 403)) return <NoPermission what={what} error={error} />;
  if (isStatus(error, 404) || isStatus(error, 400)) {
    return (
      <StateMessage title={`There is no such ${what}`} action={<Link to="/sessions">Go to the sessions</Link>}>
        {error.message}
      </StateMessage>
    );
  }
  if (error instanceof UnreachableError) {
    return (
      <StateMessage title="The server cannot be reached" action={again}>
        Nothing is lost: agents go on without the console. This page tries again by itself when the server is back.
      </StateMessage>
    );
  }
  return (
    <StateMessage title={`The ${what} could not be read`} action={again}>
      {error.message}
      {error instanceof ApiError && <code className="code">{error.code}</code>}
    </StateMessage>
  );
}

function NoPermission({ what, error }: { readonly what: string; readonly error: ApiError }) {
  const { api } = useApp();
  const { data: me } = useQuery(queries.me(api));
  const needs = rolesOf(error.details);
  return (
    <StateMessage title={`You may not see this ${what}`}>
      {needs.length === 0 ? (
        <p>{error.message}</p>
      ) : (
        <p>It needs one of the roles {OR.format(needs)}, which an admin can give.</p>
      )}
      {me !== undefined && (
        <p>
          You are signed in as <strong>{me.name}</strong> with{" "}
          {me.roles.length === 0 ? "no role" : `the role${me.roles.length > 1 ? "s" : ""} ${me.roles.join(", ")}`}.
        </p>
      )}
    </StateMessage>
  );
}

const OR = new Intl.ListFormat("en", { type: "disjunction" });

/** The roles that a refusal names: one of them is enough. */
function rolesOf(details: ApiError["details"]): readonly string[] {
  if (typeof details !== "object" || details === null || !("needs" in details)) return [];
  const { needs } = details;
  return Array.isArray(needs) ? needs.filter((need) => typeof need === "string") : [];
}
