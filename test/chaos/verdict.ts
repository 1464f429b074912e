/** Whether a call may have ended as it did, by what was done to it and to the runner it was on. */
import {
  AbortError,
  BootError,
  CallTimeoutError,
  PoolClosedError,
  QueueFullError,
  QueueTimeoutError,
  RunnerLostError,
} from "tinderbox";
import { type CallRecord, faultsOf } from "./book.ts";
import type { Sign } from "./faults.ts";
import type { Job } from "./job.ts";
import type { Receipt } from "./on-runner.ts";

/** On how many runners a call that may be repeated is tried. */
export const mostRuns = 4;

/** What is wrong with a value, or nothing. */
export function judgeValue(call: CallRecord, { value, runner, attempt }: Receipt, right: Job): string | undefined {
  if (!right.rightValue?.(value)) return `a value that is not its own: ${String(value).slice(0, 60)}`;
  if (runner !== call.runner?.id) return `a value of ${runner}, and was last on ${call.runner?.id ?? "no runner"}`;
  if (attempt !== call.attempt) return `a value of attempt ${attempt}, and was last on attempt ${call.attempt}`;
  return undefined;
}

/** What is wrong with an error, or nothing. The order of arms is that of how an error may be taken for another. */
export function judgeError(call: CallRecord, error: unknown, right: Job): string | undefined {
  if (right.rightError?.(error)) return undefined;
  if (error instanceof AbortError) return judgeAbort(call, error);
  if (error instanceof CallTimeoutError) return judgeTimeout(call, error);
  if (error instanceof RunnerLostError) return judgeLost(call, error);
  if (error instanceof QueueTimeoutError) {
    if (call.queueTimeoutMs === Infinity) return `${error.message}, and had no limit`;
    return call.attempt > 0 ? `${error.message}, and had begun` : undefined;
  }
  if (error instanceof QueueFullError) return call.queued ? `${error.message}, after it was taken` : unlimited(error);
  if (error instanceof PoolClosedError) {
    if (call.wants !== "any") return error.message;
    return error.started && call.starts === 0 ? `${error.message}, and had not begun` : undefined;
  }
  if (error instanceof BootError) return `${error.message}, though runners could boot`;
  return `an error that nobody made: ${error instanceof Error ? (error.stack ?? error.message).split("\n", 4).join("\n") : String(error)}`;
}

function unlimited({ limit, message }: QueueFullError): string | undefined {
  return limit < 1_000 ? undefined : message;
}

function judgeAbort(call: CallRecord, { message, cause }: AbortError): string | undefined {
  if (!call.abortedBy) return `${message}, and nobody did`;
  return cause === call.abortedBy ? undefined : `${message}, for another's reason: ${String(cause)}`;
}

function judgeTimeout(call: CallRecord, error: CallTimeoutError): string | undefined {
  const { message, runner, timeoutMs } = error as CallTimeoutError & { readonly runner?: string };
  if (call.starts === 0) return `${message}, and had not begun`;
  if (runner !== call.runner?.id) return `${message}, and was last on ${call.runner?.id ?? "no runner"}`;
  if (timeoutMs !== call.timeoutMs) return `${message}, and its limit is ${call.timeoutMs} ms`;
  if (performance.now() - call.madeAt < timeoutMs) return `${message}, before it was that old`;
  const faults = [...(call.runner?.faults ?? []), ...(call.runner?.executorFaults ?? [])];
  if (call.wants === "limit" || faults.some(({ delays }) => delays)) return undefined;
  return `${message}, and that runner was given ${call.runner ? faultsOf(call.runner) : "no fault"}`;
}

function judgeLost(call: CallRecord, error: RunnerLostError): string | undefined {
  const { message, runner, started, exitCode, signal, scope, stderr, reason, oom } = error;
  if (!call.runner || runner !== call.runner.id) return `${message}, and was last on ${call.runner?.id ?? "no runner"}`;
  if ((scope !== "process" && scope !== "machine") || !Array.isArray(stderr)) return `${message}, with scope ${scope}`;
  // One that nobody has read is moved on each time, and so is, when it was read, one that may be repeated.
  const moves = call.starts - call.attempt;
  const runs = call.attempt + 1 - call.retried;
  if (!started && moves < mostRuns) return `${message}, unread, after ${moves} of ${mostRuns} runners`;
  if (started && call.idempotent && runs < mostRuns && call.wants !== "any")
    return `${message}, after ${runs} of ${mostRuns} runs`;
  const faults = scope === "machine" ? call.runner.faults : call.runner.executorFaults;
  const fits = (sign: Sign | undefined): boolean =>
    sign !== undefined &&
    sign.exitCode === exitCode &&
    sign.signal === signal &&
    (sign.oom ?? false) === oom &&
    sign.reason.test(reason);
  if (faults.some(({ sign }) => fits(sign))) return undefined;
  return `${message} (${scope}, exit code ${exitCode}, signal ${signal}, oom ${oom}), and that runner was given ${faultsOf(call.runner)}`;
}
