/** The public surface: what agents, tools and configurations are written with, and how a service runs them itself. */
export { defineAgent, InvalidAgentError } from "../agents/define-agent.ts";
export type { Agent, AgentInput, AgentOutput, AnyAgent } from "../agents/define-agent.ts";
export type {
  AskAllHandle,
  ChatModel,
  Handles,
  LangchainHandle,
  LangchainModel,
  LangchainTool,
  Message,
  MessagesHandle,
  ModelHandle,
  ModelReply,
  ReceiveOptions,
} from "../agents/handles.ts";
export { defineTool, InvalidToolError } from "../tools/define-tool.ts";
export type { AnyTool, RetryOptions, Tool, ToolContext } from "../tools/define-tool.ts";
export { ConfigInvalidError, defineConfig } from "./config.ts";
export type { ProjectLimits, Sample, SignalboxConfig } from "./config.ts";
export { startWorker } from "./embedded.ts";
export type { EmbeddedWorker, EmbeddedWorkerOptions, RunResult, StartedRun, StartRunOptions } from "./embedded.ts";
export { SignalboxError } from "./core/errors.ts";
export type { EffectClass } from "./core/effects.ts";
export type { MemoryItem } from "./core/memory.ts";
export type { Verdict } from "./core/verdict.ts";
export {
  AskFailedError,
  CallFailedError,
  CallGivenUpError,
  CallRefusedError,
  CallTimeoutError,
  EffectOutsideNodeError,
  InvalidArgumentsError,
  InvalidOutputError,
  ModelMissingError,
  ModelToolNameError,
  NodeTimeoutError,
  NonDeterminismError,
  UnrecordableValueError,
  UnsupportedGraphError,
} from "./engine/errors.ts";
