/** How runners and executors end, in words. */
import type { Machine, MachineExit } from "../ports/backend.ts";
import type { Clock } from "../ports/clock.ts";

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
  const oom = reason === undefined && (exit.oom ?? (aborted && words.outOfMemory));
  return { ...exit, oom, stderr: [...words.lines], reason: reason ?? exit.reason ?? describe(exit, oom) };
}

const keptLines = 20;
/** What asking for last words may take. */
const wordsMs = 5_000;

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

  /** Adds what the machine has said where only its backend can look. */
  async ask(machine: Machine, clock: Clock, redact: (text: string) => string): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<readonly string[]>();
    const timer = clock.timer(wordsMs, () => resolve([]));
    const lines = await Promise.race([machine.lastWords?.() ?? [], late]);
    timer.cancel();
    for (const line of lines.slice(-keptLines)) this.add(redact(line));
  }
}

function describe(exit: MachineExit, oom: boolean): string {
  const { exitCode, signal } = exit;
  const status = signal ? `signal ${signal}` : `exit code ${exitCode ?? "unknown"}`;
  return oom ? `out of memory (${status})` : status;
}
