import type { JsonValue } from "../../../runtime/core/json.ts";
import type {
  AgentSummary,
  ApprovalsPage,
  ApprovalView,
  DoubtsPage,
  DoubtView,
  ErrorBody,
  Me,
  QuestionsPage,
  QuestionView,
  SessionState,
  SessionsPage,
  SessionView,
  VerifyReport,
} from "../../../runtime/core/protocol.ts";
import { ApiError, UnreachableError } from "./errors.ts";
import type {
  Answer,
  ApprovalsFilter,
  Decide,
  QuestionsFilter,
  ResolveDoubt,
  SessionsFilter,
  SignIn,
} from "./requests.ts";

export interface ApiOptions {
  /** The token of the person who is signed in; sent back with everything that changes something. */
  readonly csrfToken: () => string | undefined;
  readonly fetch: typeof fetch;
}

/** What waits is shown whole, up to a thousand; of what does not wait any more, the latest page is enough. */
const MOST_PAGES = 5;

/** The entries of a list's first pages. */
async function upTo<View>(
  pages: number,
  read: (after: string | undefined) => Promise<{ readonly views: readonly View[]; readonly next: string | null }>,
): Promise<readonly View[]> {
  const first = await read(undefined);
  const views = [...first.views];
  for (let { next } = first, count = 1; next !== null && count < pages; count++) {
    const page = await read(next);
    views.push(...page.views);
    next = page.next;
  }
  return views;
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

  approvals(status: ApprovalsFilter, signal?: AbortSignal): Promise<readonly ApprovalView[]> {
    return upTo(status === "decided" ? 1 : MOST_PAGES, async (after) => {
      const { approvals, next } = await this.#get<ApprovalsPage>("/api/approvals", { status, after }, signal);
      return { views: approvals, next };
    });
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

  doubts(signal?: AbortSignal): Promise<readonly DoubtView[]> {
    return upTo(MOST_PAGES, async (after) => {
      const { doubts, next } = await this.#get<DoubtsPage>("/api/doubts", { after }, signal);
      return { views: doubts, next };
    });
  }

  resolveDoubt(body: ResolveDoubt): Promise<void> {
    return this.#post("/api/doubts/resolve", body);
  }

  questions(status: QuestionsFilter, signal?: AbortSignal): Promise<readonly QuestionView[]> {
    return upTo(status === "past" ? 1 : MOST_PAGES, async (after) => {
      const { questions, next } = await this.#get<QuestionsPage>("/api/questions", { status, after }, signal);
      return { views: questions, next };
    });
  }

  question(question: string, signal?: AbortSignal): Promise<QuestionView> {
    return this.#get(`/api/questions/${encodeURIComponent(question)}`, {}, signal);
  }

  answer(question: string, body: Answer): Promise<QuestionView> {
    return this.#post(`/api/questions/${encodeURIComponent(question)}/answer`, body);
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
    const error = errorOf(body);
    // A proxy answers for a server that is away.
    if (error === undefined && PROXY_ERRORS.includes(response.status)) throw new UnreachableError(response.status);
    throw new ApiError(
      response.status,
      error ?? {
        code: "UNKNOWN",
        message: `The server answered with status ${String(response.status)} and no explanation.`,
      },
    );
  }
}

/** Bad gateway, service unavailable, gateway timeout. */
const PROXY_ERRORS: readonly number[] = [502, 503, 504];

/** The error that our server explains; undefined if what answered was not our server. */
function errorOf(body: unknown): ErrorBody["error"] | undefined {
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  if (typeof error !== "object" || error === null || !("code" in error) || !("message" in error)) return undefined;
  const details = "details" in error ? { details: error.details as JsonValue } : {};
  return { code: String(error.code), message: String(error.message), ...details };
}
