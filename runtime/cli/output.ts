import pc from "picocolors";
import { SignalboxError } from "../core/errors.ts";

/**
 * Exit codes. `failed`: what was asked for could not be done, and the message says why. `usage`: the
 * command was not called rightly. `check`: it worked, and what it checked is not in order. `fault`: a
 * defect of Signalbox.
 */
export const EXIT = { ok: 0, failed: 1, usage: 2, check: 3, fault: 70 } as const;

/** Prints what a reading command found: JSON for programs, text for people. */
export function print(json: boolean | undefined, data: unknown, text: () => string): void {
  process.stdout.write(json === true ? `${JSON.stringify(data)}\n` : `${text()}\n`);
}

/** One line of progress; only where a person looks on. */
export function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${pc.dim(line)}\n`);
}

/** What went wrong: for a known error its message and code, for a defect also where. */
export function printError(error: unknown, json: boolean): void {
  if (error instanceof SignalboxError) {
    if (json)
      process.stderr.write(
        `${JSON.stringify({ error: { code: error.code, message: error.message, details: error.details } })}\n`,
      );
    else process.stderr.write(`${pc.red("error")} ${visible(error.message)} ${pc.dim(`[${error.code}]`)}\n`);
    return;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `${pc.red("defect")} This is a fault of Signalbox itself; please report it with this text:\n${visible(text)}\n`,
  );
}

/** A table with columns as wide as they need to be. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows].map((row) => row.map(visible));
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row, i) => {
      const line = row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd();
      return i === 0 ? pc.bold(line) : line;
    })
    .join("\n");
}

/**
 * Text from tools, models and people as a terminal may show it: control characters (which could move the
 * cursor or change colours) and characters that change the direction of text are made visible.
 */
export function visible(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The same on one line: what somebody else wrote must not look like a line of ours. */
export function oneLine(text: string): string {
  return visible(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}

/** A moment as people write it, in UTC. */
export function time(at: number | null): string {
  return at === null ? "-" : new Date(at).toISOString().replace("T", " ").slice(0, 19);
}

/** JSON on one line, cut where it gets long. */
export function brief(value: unknown, length = 120): string {
  const text = visible(JSON.stringify(value));
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** What stands below a list that was cut short. */
export function moreThan(next: string | null, limit: number): string {
  return next === null ? "" : `\nThere are more than these ${String(limit)}: --limit shows them.`;
}
