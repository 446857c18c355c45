/**
 * The keeper: a small process that owns the private servers and outlives its parent by just as long
 * as it takes to stop them. The parent holds the other end of its standard input; when that closes,
 * because the parent said so, ended, crashed or was killed with SIGKILL, the servers are stopped.
 *
 * Run as `node keeper.js STATE_FILE FILE...`; the files are removed at the end.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { KeeperReport, KeeperRequest, KeeperState, KeptProgram } from "./keeper-protocol.ts";
import { identify } from "./process-identity.ts";

/** After this long a server that was asked to stop is killed. Postgres then recovers at its next start. */
const STOP_WITHIN_MS = 15_000;
/** A guarded program that ends this often without having run for a minute is left alone. */
const RESTARTS = 5;
const SETTLED_AFTER_MS = 60_000;
const STDERR = 2;

interface Kept {
  readonly program: KeptProgram;
  readonly child: ChildProcess;
  readonly pid: number;
  readonly since: number;
}

function main(stateFile: string, filesToRemove: readonly string[]): void {
  const running = new Map<string, Kept>();
  const guarded = new Map<string, number>();
  let stopping = false;

  function report(message: KeeperReport): void {
    process.stdout.write(`${JSON.stringify(message)}\n`);
  }

  function start(program: KeptProgram): void {
    let child: ChildProcess;
    try {
      child = run(program);
    } catch (error) {
      notStarted(program, messageOf(error));
      return;
    }
    child.once("error", (error) => {
      // Raised for a program that could not be started; one that runs reports its end below.
      if (child.pid === undefined) notStarted(program, error.message);
    });
    const { pid } = child;
    if (pid === undefined) return;
    running.set(program.name, { program, child, pid, since: performance.now() });
    writeState();
    report({ told: "started", name: program.name, pid });
    child.once("exit", (code, signal) => {
      ended(program, signal ?? `exit code ${String(code)}`);
    });
  }

  function notStarted(program: KeptProgram, message: string): void {
    if (stopping) finishIfDone();
    else if (guarded.has(program.name)) again(program, message, 0);
    else report({ told: "failed", name: program.name, message });
  }

  function ended(program: KeptProgram, status: string): void {
    const kept = running.get(program.name);
    running.delete(program.name);
    if (stopping) {
      finishIfDone();
      return;
    }
    writeState();
    report({ told: "exited", name: program.name, status });
    if (kept) again(program, status, performance.now() - kept.since);
  }

  /** Starts a guarded program once more, after a while, or gives it up. */
  function again(program: KeptProgram, status: string, ranForMs: number): void {
    const restarts = guarded.get(program.name);
    if (restarts === undefined) return;
    const nth = ranForMs > SETTLED_AFTER_MS ? 0 : restarts;
    if (nth >= RESTARTS) {
      report({ told: "given_up", name: program.name, status });
      return;
    }
    guarded.set(program.name, nth + 1);
    setTimeout(
      () => {
        if (!stopping) start(program);
      },
      100 * 2 ** nth,
    );
  }

  function stop(): void {
    if (stopping) return;
    stopping = true;
    for (const { child, program } of running.values()) child.kill(program.stopSignal);
    setTimeout(() => {
      for (const { child } of running.values()) child.kill("SIGKILL");
    }, STOP_WITHIN_MS).unref();
    finishIfDone();
  }

  function finishIfDone(): void {
    if (running.size > 0) return;
    attempt(() => {
      for (const file of [...filesToRemove, stateFile]) rmSync(file, { force: true });
    });
    process.exit(0);
  }

  function writeState(): void {
    const me = identify(process.pid);
    if (!me) return;
    const programs = [...running.values()].flatMap(({ pid, program }) => {
      const found = identify(pid);
      return found ? [{ ...found, stopSignal: program.stopSignal }] : [];
    });
    const state: KeeperState = { keeper: me, programs };
    // Without the state only a killed keeper's servers are not found again; with no keeper none would be stopped.
    attempt(() => {
      writeFileSync(`${stateFile}.new`, JSON.stringify(state), { mode: 0o600 });
      renameSync(`${stateFile}.new`, stateFile);
    });
  }

  // The parent may be gone; that is no reason to die before the servers have stopped.
  process.stdout.on("error", stop);
  process.on("uncaughtException", (error) => {
    attempt(() => {
      throw error;
    });
    stop();
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  writeState();
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    if (stopping) return;
    const request = JSON.parse(line) as KeeperRequest;
    if (request.do === "start") start(request.program);
    else guarded.set(request.name, 0);
  });
  lines.on("close", stop);
}

/** Starts a program with its output in its log. */
function run(program: KeptProgram): ChildProcess {
  const log = openSync(program.logFile, "a", 0o600);
  try {
    const { uid, gid } = program;
    return spawn(program.command, [...program.args], {
      cwd: program.cwd,
      env: { ...program.env },
      stdio: ["ignore", log, log],
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
  } finally {
    closeSync(log);
  }
}

/** Does what is not worth dying for, on a full disk for example: the servers must not be left alone. */
function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    try {
      writeSync(STDERR, `${new Date().toISOString()} ${messageOf(error)}\n`);
    } catch {
      // The log is on the same disk.
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const [stateFile, ...filesToRemove] = process.argv.slice(2);
if (stateFile === undefined) throw new Error("usage: keeper STATE_FILE [FILE...]");
main(stateFile, filesToRemove);
