/** The errors by which a pool ends calls, in one place: what is, and what to do about it. */
import {
  AbortError,
  BootError,
  type BootPhase,
  CallTimeoutError,
  PoolClosedError,
  QueueFullError,
  QueueTimeoutError,
  RunnerLostError,
} from "../errors.ts";
import { type Call, hasBegun } from "./call.ts";
import type { LinkEnd } from "./exits.ts";

export function closedForCalls(pool: string): PoolClosedError {
  return new PoolClosedError(`Cannot call: pool "${pool}" is closed; declare another`, { started: false });
}

export function closedDuring(call: Call, pool: string): PoolClosedError {
  return new PoolClosedError(`Cannot finish ${title(call)}: pool "${pool}" was closed`, {
    started: call.sent || call.attempt > 0,
  });
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
    { timeoutMs, started: call.attempt > 0 },
  );
}

export function callTimeout(call: Call, runner: string): CallTimeoutError {
  const { timeoutMs } = call.options;
  return new CallTimeoutError(
    `Cannot finish ${title(call)}: it ran for ${timeoutMs} ms on runner ${runner}; raise timeout, or see what keeps it`,
    { timeoutMs, runner },
  );
}

export function methodTimeout(call: Call, runner: string, method: string): CallTimeoutError {
  const { timeoutMs } = call.options;
  const what = method === "" ? "a call" : `\`${method}\``;
  return new CallTimeoutError(
    `Cannot finish ${what} of what ${title(call)} returned: runner ${runner} has not answered for ${timeoutMs} ms; raise timeout, or see what keeps it`,
    { timeoutMs, runner },
  );
}

export function streamTimeout(call: Call, runner: string): CallTimeoutError {
  const { timeoutMs } = call.options;
  return new CallTimeoutError(
    `Cannot read on from what ${title(call)} gave: runner ${runner} has taken ${timeoutMs} ms for its items; raise timeout, or see what keeps it`,
    { timeoutMs, runner },
  );
}

export function aborted(call: Call): AbortError {
  return new AbortError(`Cannot finish ${title(call)}: it was aborted`, {
    cause: call.options.signal?.reason as unknown,
  });
}

export function nodeGone(call: Call, pool: string): RunnerLostError {
  const runner = `${pool}-${call.options.node}`;
  return new RunnerLostError(
    `Cannot run ${title(call)}: runner ${runner} takes no more calls; choose another with pool.nodes(), or leave out node`,
    { runner, scope: "machine", reason: "it takes no more calls", started: call.attempt > 0 },
  );
}

/** For what stays on a runner by itself: it was told to go before its runner does. */
export function drained(
  what: string,
  runner: string,
  reason: string,
  {
    fix = 'use restart: "permanent" to have it made again elsewhere',
    started = false,
  }: { readonly fix?: string; readonly started?: boolean } = {},
): RunnerLostError {
  return new RunnerLostError(`Cannot use ${what}: runner ${runner} was drained (${reason}); ${fix}`, {
    runner,
    scope: "machine",
    started,
    reason: `drained (${reason})`,
    oom: false,
    stderr: [],
  });
}

export function runnerLost(call: Call, scope: "process" | "machine", end: LinkEnd): RunnerLostError {
  const { runner, unread } = call.lane!;
  const lost = scope === "machine" ? `runner ${runner}` : `its executor on runner ${runner}`;
  // Had we sent it, there would be a reason.
  const hint = end.reason === "signal SIGKILL" ? ", which the kernel sends when memory runs out" : "";
  const once =
    call.options.idempotent && hasBegun(call)
      ? "; it is not repeated, because a stream that it was given has been read or written"
      : "";
  return new RunnerLostError(`Cannot finish ${title(call)}: ${lost} was lost, ${end.reason}${hint}${once}`, {
    runner,
    scope,
    started: unread !== call.id,
    ...end,
  });
}

/** Where a boot was; "requested" when nothing has been heard of it. */
export function lastOf(phases: readonly BootPhase[]): string {
  return phases.at(-1)?.phase ?? "requested";
}

export function bootFailure(
  runner: string,
  reason: string,
  cause: unknown,
  facts: { readonly phases: readonly BootPhase[]; readonly permanent: boolean; readonly stderr: readonly string[] },
): BootError {
  const phase = lastOf(facts.phases);
  const times = facts.phases.map((one) => `${one.phase} after ${(one.ms / 1000).toFixed(1)} s`).join(", ");
  const lines = [...(times ? [`  ${times}`] : []), ...facts.stderr.map((line) => `  | ${line}`)];
  const told = lines.map((line) => `\n${line}`).join("");
  return new BootError(`Cannot boot runner ${runner}: ${reason} (phase ${phase})${told}`, { cause, phase, ...facts });
}

export function bootTooLate(call: Call, pool: string, timeoutMs: number, last: BootError | undefined): BootError {
  const cause = last ? `; the last attempt: ${last.message}` : "";
  const { phase = "requested", phases = [], stderr = [] } = last ?? {};
  return new BootError(
    `Cannot run ${title(call)}: no runner of pool "${pool}" came up within ${timeoutMs} ms${cause}`,
    { cause: last, phase, phases, permanent: false, stderr },
  );
}

export function title(call: Call): string {
  return call.options.name ? `call "${call.options.name}"` : `call ${call.id}`;
}
