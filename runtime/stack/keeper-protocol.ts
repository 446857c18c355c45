/** What a process asks its keeper, one JSON line each on the keeper's standard input. */
export type KeeperRequest =
  | { readonly do: "start"; readonly program: KeptProgram }
  /** From now on the program is started again when it ends by itself. */
  | { readonly do: "guard"; readonly name: string };

/** What a keeper tells, one JSON line each on its standard output. */
export type KeeperReport =
  | { readonly told: "started"; readonly name: string; readonly pid: number }
  | { readonly told: "failed"; readonly name: string; readonly message: string }
  | { readonly told: "exited"; readonly name: string; readonly status: string }
  /** A guarded program ended too often; it is not started again. */
  | { readonly told: "given_up"; readonly name: string; readonly status: string };

export interface KeptProgram {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Set when the keeper is root and the program must not be. */
  readonly uid?: number;
  readonly gid?: number;
  /** Takes what the program prints. */
  readonly logFile: string;
  /** Asks it to end soon, in good order. */
  readonly stopSignal: NodeJS.Signals;
}

/** What the keeper leaves in the data folder, so that a later start can clean up after a killed keeper. */
export interface KeeperState {
  readonly keeper: { readonly pid: number; readonly started: string };
  readonly programs: readonly { readonly pid: number; readonly started: string; readonly stopSignal: NodeJS.Signals }[];
}
