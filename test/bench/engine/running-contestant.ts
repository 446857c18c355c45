import type { ExpectedCalls } from "./check-record.ts";
import { ContestantProcess } from "./contestant.ts";
import type { ContestantKind } from "./contestants.ts";
import { compiledProgram } from "./programs.ts";
import type { BenchServers } from "./servers.ts";

/** One process of a contestant, with a database of its own. */
export interface RunningContestant extends AsyncDisposable {
  readonly process: ContestantProcess;
  /** Empty where it has none. */
  readonly databaseUrl: string;
  close(): Promise<void>;
  /** Ends it, and looks at what it has left behind. @throws if the runs did not do what was asked */
  check(calls: ExpectedCalls): Promise<void>;
}

/** @param env what its process is told besides its surroundings */
export async function startContestant(
  servers: Pick<BenchServers, "database" | "nats">,
  kind: ContestantKind,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningContestant> {
  const program = await compiledProgram(kind.program);
  const databaseUrl =
    kind.database === "none" ? "" : await servers.database(`bench_${kind.name.toLowerCase()}`, kind.database);
  const surroundings = await kind.surroundings({ databaseUrl, nats: servers.nats });
  const started = ContestantProcess.start(program, kind.nodeArgs ?? [], { ...surroundings.env, ...env });
  const process = await started.catch(async (error: unknown) => {
    await surroundings[Symbol.asyncDispose]();
    throw error;
  });
  let closed: Promise<void> | null = null;
  const close = (): Promise<void> => (closed ??= process.close());
  return {
    process,
    databaseUrl,
    close,
    async check(calls) {
      await close();
      await kind.check?.(databaseUrl, calls);
    },
    async [Symbol.asyncDispose]() {
      await close();
      await surroundings[Symbol.asyncDispose]();
    },
  };
}
