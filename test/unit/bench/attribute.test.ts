import type { Profiler } from "node:inspector";
import { expect, test } from "vitest";
import { attribute } from "../../bench/profile/attribute.ts";
import { ownerOf, PARTS } from "../../bench/profile/owners.ts";

/** Frames by their names and files, each with those that it calls; what is not in brackets took its time itself. */
interface Frame {
  readonly name: string;
  readonly file: string;
  readonly us: readonly number[];
  readonly calls?: readonly Frame[];
}

function profileOf(root: Frame): Profiler.Profile {
  const nodes: Profiler.ProfileNode[] = [];
  const samples: number[] = [];
  const timeDeltas: number[] = [];
  const add = ({ name, file, us, calls = [] }: Frame): number => {
    const id = nodes.length + 1;
    const node: Profiler.ProfileNode = {
      id,
      callFrame: { functionName: name, scriptId: "0", url: file, lineNumber: 0, columnNumber: 0 },
    };
    nodes.push(node);
    for (const each of us) {
      samples.push(id);
      timeDeltas.push(each);
    }
    node.children = calls.map(add);
    return id;
  };
  add(root);
  return { nodes, startTime: 0, endTime: 0, samples, timeDeltas };
}

const fileOf = ({ url }: { readonly url: string }): string | null =>
  url === "" || url.startsWith("node:") || url.startsWith("wasm:") ? null : url;

const at = (name: string, file: string, us: readonly number[], calls: readonly Frame[] = []): Frame => ({
  name,
  file,
  us,
  calls,
});

test("profile - natives, WebAssembly and Node's modules count as whoever called them", () => {
  const profile = profileOf(
    at(
      "(root)",
      "",
      [],
      [
        at("judge", "runtime/rules/judge.ts", [10], [at("wasm-function[7]", "wasm://wasm/1", [200])]),
        at("send", "node_modules/pg/lib/client.js", [5], [at("writev", "node:net", [7], [at("(program)", "", [1])])]),
        at("hash", "runtime/core/chain.ts", [], [at("hash", "node:crypto", [3])]),
      ],
    ),
  );
  expect(attribute(profile, fileOf)).toEqual(
    new Map([
      ["cedar", 210],
      ["pg", 13],
      ["hash", 3],
    ]),
  );
});

test("profile - what nobody of ours has called is Node's, garbage its own, and waiting and measuring nobody's", () => {
  const profile = profileOf(
    at(
      "(root)",
      "",
      [],
      [
        at("(idle)", "", [1_000]),
        at("(garbage collector)", "", [20]),
        at("(program)", "", [2]),
        at("processTicks", "node:internal/process", [4], [at("run", "runtime/engine/gate.ts", [30])]),
        at("startProfile", "test/bench/engine/serve.ts", [500], [at("dispatch", "node:inspector", [500])]),
      ],
    ),
  );
  expect(attribute(profile, fileOf)).toEqual(
    new Map([
      ["garbage", 20],
      ["node", 6],
      ["gate", 30],
    ]),
  );
});

test("profile - a call back into another owner's code is that owner's", () => {
  const profile = profileOf(
    at(
      "invoke",
      "node_modules/@langchain/langgraph/dist/pregel/index.js",
      [40],
      [at("node", "test/support/bench-project.ts", [1], [at("concat", "", [2])])],
    ),
  );
  expect(attribute(profile, fileOf)).toEqual(
    new Map([
      ["langgraph", 40],
      ["user", 3],
    ]),
  );
});

test.each([
  ["node_modules/@langchain/langgraph-checkpoint/dist/id.js", "saver"],
  ["test/bench/node_modules/@langchain/langgraph/dist/pregel/index.js", "langgraph"],
  ["node_modules/@langchain/core/dist/runnables/base.js", "langchain"],
  ["node_modules/pg-protocol/dist/serializer.js", "pg"],
  ["runtime/journal/payload.ts", "canonical"],
  ["runtime/journal/writer.ts", "writer"],
  ["runtime/core/run-record.ts", "record"],
  ["runtime/engine/worker.ts", "runs"],
  ["node_modules/uuid/dist/v5.js", "libraries"],
])("profile - %s is %s", (file, owner) => {
  expect(ownerOf(file)).toBe(owner);
});

test("profile - every owner belongs to one part of a step, but for what measures", () => {
  const files = ["runtime/rules/a.ts", "node_modules/zod/a.js", "node_modules/langsmith/a.js", "runtime/bus/a.ts"];
  const owners = PARTS.flatMap((part) => Object.keys(part.owners));
  expect(new Set(owners).size).toBe(owners.length);
  for (const file of files) expect(owners).toContain(ownerOf(file));
});
