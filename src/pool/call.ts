/** One call on its way: what is sent, who waits for it, and which clocks run. */
import type { Captured, CapturedValue } from "../closure/capture.ts";
import { placeOf } from "../closure/units.ts";
import type { CallMode } from "../wire/messages.ts";
import type { Deadline } from "./deadlines.ts";
import type { Lane } from "./lane.ts";
import { type Retries, maxRepeats } from "./retries.ts";

export interface CallOptions {
  readonly name: string;
  readonly timeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly idempotent: boolean;
  readonly retries: Retries;
  readonly priority: number;
  readonly key: string | undefined;
  /** Number of the one runner that may take it. */
  readonly node: number | undefined;
  readonly onProgress: ((value: unknown) => void) | undefined;
}

export interface CallRequest {
  readonly captured: Captured;
  /** How the closure is called. */
  readonly mode: CallMode;
  /** What it is called with, where its mode wants that. */
  readonly args: CapturedValue | undefined;
  /** It has begun on a runner: a cast is over for its caller. */
  readonly accepted?: (() => void) | undefined;
  readonly options: CallOptions;
  /** Made where `flame` was called, unless too many calls are made: its frames are joined to those of an error from the runner. */
  readonly trace: { readonly stack?: string } | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface Call extends CallRequest {
  readonly id: number;
  /** Attempts before this one, for whatever reason. */
  attempt: number;
  /** Of these, after errors of the closure's own, and after runners that were lost. */
  retried: number;
  repeated: number;
  /** How often it came back from a runner that had not even read it. */
  returned: number;
  /** Set while it is on a runner. */
  lane: Lane | undefined;
  /** It has left for that runner: only an idempotent call may be repeated from here on. */
  sent: boolean;
  /** Its caller has been told the end; only the slot is still taken. */
  settled: boolean;
  /** Its caller has the result, and that is live: the call goes on until nobody needs it. */
  opened: boolean;
  /** What is left of its time, and since when somebody waits for an item. */
  leftMs: number;
  waitingSince: number;
  startedAt: number;
  clock: Deadline | undefined;
  bootClock: Deadline | undefined;
  onAbort: (() => void) | undefined;
}

/** After the loss of its executor: whether the call is made again, and counts that. */
export function mayRepeat(call: Call, closed: boolean): boolean {
  // What its caller has cannot be taken back, nor what a stream has already given.
  if (call.opened || call.lane?.exchange.get(call.id)?.begun) return false;
  if (!call.sent) return true;
  // Only what was read can have started; should runners die of being called, that has an end as well.
  if (call.lane!.unread === call.id) return ++call.returned <= maxRepeats;
  if (!call.options.idempotent || call.repeated >= maxRepeats || closed) return false;
  call.repeated++;
  call.attempt++;
  return true;
}

/** The caller's own frames; where there are none, the line at which the closure is written. */
function callerFrames({ trace, captured }: Call): string {
  const stack = trace?.stack ?? "";
  const start = stack.indexOf("\n    at ");
  return start < 0 ? `    at ${placeOf(captured.root)}` : stack.slice(start + 1);
}

/** Puts the caller's frames below those of the runner. */
export function joinStack(error: unknown, call: Call, runner: string): void {
  if (error instanceof Error && typeof error.stack === "string")
    setStack(error, `${error.stack}\n    at flame (runner ${runner})\n${callerFrames(call)}`);
}

/** For errors that the pool makes itself: its own frames are of no use to anybody. */
export function ownStack(error: Error, call: Call): void {
  setStack(error, `${error.name}: ${error.message}\n${callerFrames(call)}`);
}

function setStack(error: Error, stack: string): void {
  try {
    Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
  } catch {
    // Frozen: it keeps what it has.
  }
}
