/** The errors by which a pool ends calls, in one place: what is, and what to do about it. */
import {
  AbortError,
  BootError,
  CallTimeoutError,
  PoolClosedError,
  QueueFullError,
  QueueTimeoutError,
  RunnerLostError,
} from "../errors.ts";
import type { Call } from "./call.ts";
import type { LinkEnd, RunnerLink } from "./link.ts";

export function closedForCalls(pool: string): PoolClosedError {
  return new PoolClosedError(`Cannot call: pool "${pool}" is closed; declare another`, { started: false });
}

export function closedDuring(call: Call, pool: string): PoolClosedError {
  return new PoolClosedError(`Cannot finish ${title(call)}: pool "${pool}" was closed`, { started: call.sent });
}

export function queueFull(pool: string, limit: number): QueueFullError {
  return new QueueFullError(
    `Cannot call: the queue of pool "${pool}" is full with ${limit}; wait for some calls, or raise queueLimit`,
    { limit },
  );
}

export function queueTimeout(call: Call, pool: string): QueueTimeoutError {
  const timeoutMs = call.options.queueTimeoutMs;
  return new QueueTimeoutError(
    `Cannot run ${title(call)}: no slot of pool "${pool}" came free within ${timeoutMs} ms; raise max or queueTimeout`,
    { timeoutMs },
  );
}

export function callTimeout(call: Call, runner: string): CallTimeoutError {
  const { timeoutMs } = call.options;
  return new CallTimeoutError(
    `Cannot finish ${title(call)}: it ran for ${timeoutMs} ms on runner ${runner}; raise timeout, or see what keeps it`,
    { timeoutMs, runner },
  );
}

export function aborted(call: Call): AbortError {
  return new AbortError(`Cannot finish ${title(call)}: it was aborted`, {
    cause: call.options.signal?.reason as unknown,
  });
}

export function runnerLost(call: Call, link: RunnerLink, end: LinkEnd): RunnerLostError {
  const { exitCode, signal, stderr, reason } = end;
  return new RunnerLostError(`Cannot finish ${title(call)}: runner ${link.id} was lost, ${reason}`, {
    runner: link.id,
    scope: "machine",
    started: true,
    exitCode,
    signal,
    stderr,
    reason,
  });
}

export function bootTooLate(call: Call, pool: string, timeoutMs: number, last: BootError | undefined): BootError {
  const cause = last ? `; the last attempt: ${last.message}` : "";
  return new BootError(
    `Cannot run ${title(call)}: no runner of pool "${pool}" came up within ${timeoutMs} ms${cause}`,
    { cause: last, phase: last?.phase ?? "requested", permanent: false, stderr: last?.stderr ?? [] },
  );
}

function title(call: Call): string {
  return call.options.name ? `call "${call.options.name}"` : `call ${call.id}`;
}
