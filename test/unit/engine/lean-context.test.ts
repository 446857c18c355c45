import { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { CallbackManager } from "@langchain/core/callbacks/manager";
import { AsyncLocalStorageProviderSingleton as provider } from "@langchain/core/singletons";
import { RunnableLambda, type RunnableConfig } from "@langchain/core/runnables";
import { getContextVariable, setContextVariable } from "@langchain/core/context";
// Whoever imports LangGraph gets its context store.
import "@langchain/langgraph";
import { afterAll, beforeEach, describe, expect, test, vi } from "vitest";
import { leanContext } from "../../../runtime/engine/lean-context.ts";

/** LangChain's own way, whatever other tests of this process have put in its place. */
const whole: unknown = Reflect.get(Object.getPrototypeOf(provider) as object, "runWithConfig");

interface Stored {
  readonly tracingEnabled?: boolean;
  readonly createChild?: unknown;
  readonly extra?: object;
  readonly child_runs?: unknown[];
}

function stored(): Stored | undefined {
  return provider.getInstance().getStore() as Stored | undefined;
}

/** What stands in the context while something runs with this configuration. */
function within<T>(config: RunnableConfig, look: () => T, withoutRun?: boolean): T {
  const found: unknown = provider.runWithConfig(config, look, withoutRun);
  return found as T;
}

/** Which way LangChain goes now. */
const way = (): unknown => Reflect.get(provider, "runWithConfig");

beforeEach(() => {
  Reflect.deleteProperty(provider, "runWithConfig");
});
afterAll(() => {
  Reflect.deleteProperty(provider, "runWithConfig");
});

describe("without a tracer", () => {
  test("the configuration is found by what runs, and each has its own", async () => {
    leanContext({});
    expect(way()).not.toBe(whole);
    const outer = { tags: ["outer"] };
    const inner = { tags: ["inner"] };
    await within(outer, async () => {
      expect(provider.getRunnableConfig()).toBe(outer);
      within(inner, () => expect(provider.getRunnableConfig()).toBe(inner));
      await Promise.resolve();
      expect(provider.getRunnableConfig()).toBe(outer);
    });
    expect(provider.getRunnableConfig()).toBeUndefined();
  });

  test("what stands there looks like LangChain's own, and says that nothing is traced", () => {
    const theirs = within({}, stored);
    leanContext({});
    const ours = within({}, stored);
    expect(ours).toMatchObject({ tracingEnabled: false });
    expect(ours?.tracingEnabled).toBe(theirs?.tracingEnabled);
    expect(typeof ours?.createChild).toBe(typeof theirs?.createChild);
    expect(Object.keys(ours?.extra ?? {})).toEqual(Object.keys(theirs?.extra ?? {}));
  });

  test("what is added to the run that stands there, as LangSmith's wrappers do, goes away with it", () => {
    leanContext({});
    within({}, () => stored()?.child_runs?.push("a child"));
    expect(within({}, stored)?.child_runs).toEqual([]);
  });

  test("variables of the context go on, also where no run is wanted", () => {
    leanContext({});
    within({}, () => {
      setContextVariable("who", "olga");
      expect(within({}, () => getContextVariable<string>("who"))).toBe("olga");
      expect(within({}, () => getContextVariable<string>("who"), true)).toBe("olga");
    });
    expect(within({}, stored, true)).toBeUndefined();
  });

  test("callbacks are told, as LangChain tells them", async () => {
    leanContext({});
    const handleChainStart = vi.fn();
    class Listener extends BaseCallbackHandler {
      readonly name = "listener";
      override handleChainStart = handleChainStart;
    }
    const handler = new Listener();
    const lambda = RunnableLambda.from((n: number) => RunnableLambda.from((m: number) => m + 1).invoke(n));
    expect(await lambda.invoke(1, { callbacks: [handler] })).toBe(2);
    expect(handleChainStart).toHaveBeenCalledTimes(2);
    const manager = new CallbackManager();
    manager.addHandler(handler);
    expect(await lambda.invoke(1, { callbacks: manager })).toBe(2);
    expect(handleChainStart).toHaveBeenCalledTimes(4);
  });

  test("a second time - changes nothing", () => {
    leanContext({});
    const once = way();
    leanContext({});
    expect(way()).toBe(once);
  });
});

test.each(["LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "LANGCHAIN_VERBOSE"])(
  "with %s - LangChain's way is left alone",
  (name) => {
    leanContext({ [name]: "true" });
    expect(way()).toBe(whole);
  },
);
