/**
 * A native program as this process sees it: a process with its pipes and all that it starts in turn.
 *
 * - The program leads a session and process group of its own. Its stdin is a pipe that stays open for as long as it is
 *   wanted: end of file there tells it to end, also when this process is no more.
 * - `exited` resolves once, with how the program itself has ended; it never rejects. What it has started and left behind is
 *   killed then, so that pipes which a descendant holds open come to their end too.
 * - `gone` resolves when nothing is left of it in the system: neither the program nor any descendant.
 * - `stop` closes stdin, signals the whole tree, and kills what is left after the grace. `kill` ends all at once. Both are
 *   idempotent; `stop` resolves with `gone`.
 * - Nothing here keeps this process alive; `hold(true)` does.
 */
import type { Readable, Writable } from "node:stream";
import type { Limits } from "./limits.ts";

export interface ProgramOptions {
  /** For messages, events and the log. */
  readonly name: string;
  /** A path, or a name that is looked up on the PATH of `env`. */
  readonly command: string;
  readonly args?: readonly string[];
  /** The complete environment. Default: that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly limits?: Limits;
  readonly stopSignal?: NodeJS.Signals;
  readonly graceMs?: number;
  /** It is likely to be started again as soon as it ends: the same object each time names it. */
  readonly standby?: object;
}

export interface ProgramExit {
  /** As shells tell it: the exit code, or 128 + the number of the signal. */
  readonly status: number;
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** The kernel ended it because it reached its memory limit. */
  readonly oom: boolean;
}

export interface Program {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<ProgramExit>;
  readonly gone: Promise<void>;
  /** Resident memory of the program and its descendants in bytes; undefined when it cannot be told. */
  memory(): number | undefined;
  stop(graceMs?: number): Promise<void>;
  kill(): void;
  hold(alive: boolean): void;
}

/** Starts it. Rejects when it cannot be started at all: then nothing is left of it. */
export type StartProgram = (options: ProgramOptions) => Promise<Program>;
