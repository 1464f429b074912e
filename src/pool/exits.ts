/** How runners and executors end, in words. */
import type { MachineExit } from "../ports/backend.ts";

/** The end of a runner, or of one executor on it. */
export interface LinkEnd extends MachineExit {
  readonly reason: string;
  /** It ran out of memory. */
  readonly oom: boolean;
  /** Last lines of its standard error. */
  readonly stderr: readonly string[];
}

/** `reason`: why, when we know better than the exit status. */
export function endOf(exit: MachineExit, reason: string | undefined, words: LastWords): LinkEnd {
  const aborted = exit.signal === "SIGABRT" || exit.exitCode === 134;
  const oom = reason === undefined && aborted && words.outOfMemory;
  return { ...exit, oom, stderr: [...words.lines], reason: reason ?? describe(exit, oom) };
}

const keptLines = 20;

/** The last lines of a standard error. */
export class LastWords {
  readonly lines: string[] = [];
  /** V8 says so and aborts; nobody else does both. Its stack may be longer than what is kept. */
  outOfMemory = false;

  add(line: string): void {
    if (line.includes("heap out of memory")) this.outOfMemory = true;
    this.lines.push(line);
    if (this.lines.length > keptLines) this.lines.shift();
  }
}

function describe(exit: MachineExit, oom: boolean): string {
  const { exitCode, signal } = exit;
  const status = signal ? `signal ${signal}` : `exit code ${exitCode ?? "unknown"}`;
  return oom ? `out of memory (${status})` : status;
}
