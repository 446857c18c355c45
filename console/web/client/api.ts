import type {
  AgentSummary,
  ApprovalView,
  DoubtView,
  ErrorBody,
  Me,
  SessionState,
  SessionsPage,
  SessionView,
  VerifyReport,
} from "../../../runtime/core/protocol.ts";
import { ApiError, UnreachableError } from "./errors.ts";
import type { ApprovalsFilter, Decide, ResolveDoubt, SessionsFilter, SignIn } from "./requests.ts";

export interface ApiOptions {
  /** The token of the person who is signed in; sent back with everything that changes something. */
  readonly csrfToken: () => string | undefined;
  readonly fetch: typeof fetch;
}

/** The console's HTTP API. Every method rejects with {@link ApiError} or {@link UnreachableError}. */
export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  me(signal?: AbortSignal): Promise<Me> {
    return this.#get("/api/me", {}, signal);
  }

  signIn(body: SignIn): Promise<Me> {
    return this.#post("/api/sign-in", body);
  }

  signOut(): Promise<void> {
    return this.#post("/api/sign-out", undefined);
  }

  sessions(filter: SessionsFilter, after: string | null, signal?: AbortSignal): Promise<SessionsPage> {
    return this.#get("/api/sessions", { ...filter, after: after ?? undefined }, signal);
  }

  session(session: string, signal?: AbortSignal): Promise<SessionView> {
    return this.#get(`/api/sessions/${encodeURIComponent(session)}`, {}, signal);
  }

  sessionState(session: string, run: string, seq: number, signal?: AbortSignal): Promise<SessionState> {
    return this.#get(`/api/sessions/${encodeURIComponent(session)}/state`, { run, seq: String(seq) }, signal);
  }

  verify(session: string, signal?: AbortSignal): Promise<VerifyReport> {
    return this.#get(`/api/sessions/${encodeURIComponent(session)}/verify`, {}, signal);
  }

  async approvals(status: ApprovalsFilter, signal?: AbortSignal): Promise<readonly ApprovalView[]> {
    const { approvals } = await this.#get<{ approvals: ApprovalView[] }>("/api/approvals", { status }, signal);
    return approvals;
  }

  approval(approval: string, signal?: AbortSignal): Promise<ApprovalView> {
    return this.#get(`/api/approvals/${encodeURIComponent(approval)}`, {}, signal);
  }

  decide(approval: string, body: Decide): Promise<ApprovalView> {
    return this.#post(`/api/approvals/${encodeURIComponent(approval)}/decide`, body);
  }

  async agents(signal?: AbortSignal): Promise<readonly AgentSummary[]> {
    const { agents } = await this.#get<{ agents: AgentSummary[] }>("/api/agents", {}, signal);
    return agents;
  }

  async doubts(signal?: AbortSignal): Promise<readonly DoubtView[]> {
    const { doubts } = await this.#get<{ doubts: DoubtView[] }>("/api/doubts", {}, signal);
    return doubts;
  }

  resolveDoubt(body: ResolveDoubt): Promise<void> {
    return this.#post("/api/doubts/resolve", body);
  }

  #get<T>(
    path: string,
    query: Readonly<Record<string, string | undefined>>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, value);
    const text = search.size === 0 ? path : `${path}?${search.toString()}`;
    return this.#request(text, signal === undefined ? {} : { signal });
  }

  #post<T>(path: string, body: unknown): Promise<T> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["content-type"] = "application/json";
    const token = this.#options.csrfToken();
    if (token !== undefined) headers["x-csrf-token"] = token;
    return this.#request(path, {
      method: "POST",
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async #request<T>(path: string, init: RequestInit): Promise<T> {
    const { fetch } = this.#options;
    let response: Response;
    let body: unknown;
    try {
      response = await fetch(path, { ...init, credentials: "same-origin", cache: "no-store" });
      const text = await response.text();
      body = text === "" ? undefined : JSON.parse(text);
    } catch (cause) {
      // A query that was called off is not an unreachable server.
      if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
      throw new UnreachableError(cause);
    }
    if (response.ok) return body as T;
    throw new ApiError(response.status, errorOf(body, response.status));
  }
}

function errorOf(body: unknown, status: number): ErrorBody["error"] {
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  if (typeof error === "object" && error !== null && "code" in error && "message" in error) {
    return { code: String(error.code), message: String(error.message) };
  }
  return { code: "UNKNOWN", message: `The server answered with status ${String(status)} and no explanation.` };
}
