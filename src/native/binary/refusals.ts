/** Errors of calls that end without an answer, whatever the program does. */
import { formatDuration } from "../../duration.ts";
import { AbortError, CallTimeoutError, PoolClosedError, QueueFullError, QueueTimeoutError } from "../../errors.ts";

export function closedError(name: string): PoolClosedError {
  return new PoolClosedError(`Cannot call binary "${name}": it is closed; start() opens it again`, { started: false });
}

export function fullError(name: string, limit: number): QueueFullError {
  return new QueueFullError(
    `Cannot call binary "${name}": ${limit} calls wait already; call less at a time, or raise "size" or "queueLimit"`,
    { limit },
  );
}

export function queueTimeoutError(name: string, timeoutMs: number): QueueTimeoutError {
  return new QueueTimeoutError(
    `Cannot call binary "${name}": the call has waited for ${formatDuration(timeoutMs)}; raise "size" or "queueTimeout"`,
    { timeoutMs, started: false },
  );
}

export function abortError(name: string, reason: unknown): AbortError {
  return new AbortError(`Cannot finish a call of binary "${name}": it was aborted`, { cause: reason });
}

export function timeoutError(name: string, timeoutMs: number, said: string): CallTimeoutError {
  return new CallTimeoutError(
    `Cannot finish a call of binary "${name}": it ran longer than ${formatDuration(timeoutMs)}; raise "timeout"${said}`,
    { timeoutMs },
  );
}
