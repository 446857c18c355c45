import { AsyncLocalStorageProviderSingleton } from "@langchain/core/singletons";

/** What LangChain reads from its context while something runs: see `runWithConfig` in `@langchain/core`. */
type Context = Record<PropertyKey, unknown>;
type RunWithConfig = (typeof AsyncLocalStorageProviderSingleton)["runWithConfig"];

const CHILD_CONFIG = Symbol.for("lc:child_config");
const CONTEXT_VARIABLES = Symbol.for("lc:context_variables");
/** Any of these turns a tracer, or a handler that prints, on for everything that runs. */
const TRACING = [
  "LANGSMITH_TRACING",
  "LANGSMITH_TRACING_V2",
  "LANGCHAIN_TRACING",
  "LANGCHAIN_TRACING_V2",
  "LANGCHAIN_VERBOSE",
];

let lean: RunWithConfig | undefined;

/**
 * LangChain makes a LangSmith run, with ids and timestamps, around everything that runs, also where nothing is traced:
 * a sixth of what a step costs. Where nobody traces, one such run is made and serves all, which differ in their
 * configuration only. Whoever gives callbacks gets what LangChain does.
 */
export function leanContext(env: NodeJS.ProcessEnv = process.env): void {
  const provider = AsyncLocalStorageProviderSingleton;
  if (provider.runWithConfig === lean || TRACING.some((name) => env[name] !== undefined)) return;
  const whole: RunWithConfig = provider.runWithConfig.bind(provider);
  const stored = (): Context | undefined => provider.getInstance().getStore() as Context | undefined;
  const untraced: Context | undefined = whole({}, stored);
  if (untraced === undefined) return;
  const extra = untraced["extra"] as object | undefined;
  lean = (config: unknown, callback, withoutRun) => {
    if (hasCallbacks(config)) return whole(config, callback, withoutRun);
    const variables = stored()?.[CONTEXT_VARIABLES];
    let context: Context | undefined;
    if (withoutRun !== true) {
      context = Object.create(untraced) as Context;
      context["extra"] = { ...extra, [CHILD_CONFIG]: config };
      // Functions that LangSmith has wrapped add themselves here, traced or not.
      context["child_runs"] = [];
    }
    if (variables !== undefined) {
      context ??= {};
      context[CONTEXT_VARIABLES] = variables;
    }
    return provider.getInstance().run(context, callback);
  };
  provider.runWithConfig = lean;
}

function hasCallbacks(config: unknown): boolean {
  const { callbacks } = (config ?? {}) as { readonly callbacks?: unknown };
  return Array.isArray(callbacks) ? callbacks.length > 0 : callbacks !== undefined && callbacks !== null;
}
