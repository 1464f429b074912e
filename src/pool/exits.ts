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
export function endOf(exit: MachineExit, reason: string | undefined, stderr: readonly string[]): LinkEnd {
  // V8 says so and aborts; nobody else does both.
  const aborted = exit.signal === "SIGABRT" || exit.exitCode === 134;
  const oom = reason === undefined && aborted && stderr.some((line) => line.includes("heap out of memory"));
  return { ...exit, oom, stderr, reason: reason ?? describe(exit, oom) };
}

function describe(exit: MachineExit, oom: boolean): string {
  const { exitCode, signal } = exit;
  const status = signal ? `signal ${signal}` : `exit code ${exitCode ?? "unknown"}`;
  return oom ? `out of memory (${status})` : status;
}
