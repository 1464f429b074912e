/** What a run comes to, in the shape that execa has made known. */
import { constants } from "node:os";
import type { ProgramExit } from "../program.ts";

export interface RunResult<Output = Uint8Array> {
  /** As it was declared. */
  readonly binary: string;
  /** Program and arguments, separated by spaces: for people. */
  readonly command: string;
  /** The same, as a shell would have to be told. */
  readonly escapedCommand: string;
  readonly cwd: string;
  readonly pid: number | undefined;
  /** From the start of the program. */
  readonly durationMs: number;
  /** Undefined when it was taken as a stream. */
  readonly stdout: Output | undefined;
  /** The last 1 MB of it; undefined when it was taken as a stream. */
  readonly stderr: string | undefined;
  /** As shells tell it: the exit code, or 128 + the number of the signal. */
  readonly status: number | undefined;
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly signalDescription: string | undefined;
  readonly failed: boolean;
  readonly timedOut: boolean;
  readonly isCanceled: boolean;
  /** A signal has ended it. */
  readonly isTerminated: boolean;
  readonly isMaxBuffer: boolean;
  /** It reached its memory limit. */
  readonly oom: boolean;
}

export interface RunFacts {
  readonly binary: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly pid: number | undefined;
  readonly durationMs: number;
  readonly exit: ProgramExit | undefined;
  readonly stdout: Uint8Array | string | undefined;
  readonly stderr: string | undefined;
  /** Why it was ended before its time, if it was. */
  readonly ended: "timeout" | "abort" | "maxBuffer" | "input" | "closed" | undefined;
}

export function resultOf(facts: RunFacts): RunResult<Uint8Array | string> {
  const { exit, ended, command, args, ...rest } = facts;
  const words = [command, ...args];
  return {
    binary: rest.binary,
    command: words.join(" "),
    escapedCommand: words.map(escapeWord).join(" "),
    cwd: rest.cwd,
    pid: rest.pid,
    durationMs: rest.durationMs,
    stdout: rest.stdout,
    stderr: rest.stderr,
    status: exit?.status,
    exitCode: exit?.exitCode,
    signal: exit?.signal,
    signalDescription: exit?.signal && describeSignal(exit.signal),
    failed: ended !== undefined || exit?.status !== 0,
    timedOut: ended === "timeout",
    isCanceled: ended === "abort",
    isTerminated: exit?.signal !== undefined,
    isMaxBuffer: ended === "maxBuffer",
    oom: exit?.oom ?? false,
  };
}

/** How a program has ended, as the end of a sentence. */
export function describeExit({ exitCode, signal, status, oom }: ProgramExit): string {
  if (oom) return `ran out of the memory that it is allowed (${signal ?? "signal"}, status ${status})`;
  if (signal) return `was ended by ${signal} (${describeSignal(signal) ?? "a signal"}, status ${status})`;
  return `ended with exit code ${exitCode}`;
}

/** Last lines of what was said, short enough for a message. */
export function lastWords(text: string | undefined): string {
  const lines = (text ?? "").trimEnd().split("\n").slice(-5).join("\n").slice(-1_000);
  return lines.trim() === "" ? "" : `; its last words:\n${lines}`;
}

/** A command line for messages: a long one is cut. */
export function shortCommand(command: string): string {
  return command.length > 300 ? `${command.slice(0, 300)}…` : command;
}

function escapeWord(word: string): string {
  if (/^[\w%+,./:=@-]+$/.test(word)) return word;
  const escaped = word.replace(/\p{Cc}/gu, (found) =>
    found === "\n" ? "\\n" : `\\x${found.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  const quoted = `'${escaped.replaceAll("'", String.raw`'\''`)}'`;
  return escaped === word ? quoted : `$${quoted}`;
}

const descriptions: Partial<Record<NodeJS.Signals, string>> = {
  SIGABRT: "Aborted",
  SIGBUS: "Bus error due to misaligned, non-existing address or paging error",
  SIGFPE: "Floating point arithmetic error",
  SIGHUP: "Terminal closed",
  SIGILL: "Invalid machine instruction",
  SIGINT: "User interruption with CTRL-C",
  SIGKILL: "Forced termination",
  SIGPIPE: "Broken pipe or socket",
  SIGQUIT: "User interruption with CTRL-\\",
  SIGSEGV: "Segmentation fault",
  SIGSYS: "Invalid system call",
  SIGTERM: "Termination",
  SIGXCPU: "CPU time limit exceeded",
  SIGXFSZ: "File size limit exceeded",
};

function describeSignal(signal: NodeJS.Signals): string | undefined {
  return descriptions[signal] ?? (signal in constants.signals ? `Signal ${constants.signals[signal]}` : undefined);
}
