/** One call on its way: what is sent, who waits for it, and which clocks run. */
import type { Captured, CapturedValue } from "../closure/capture.ts";
import { placeOf } from "../closure/units.ts";
import type { Payload } from "../value/port.ts";
import type { CallMode } from "../wire/messages.ts";
import type { Deadline } from "./deadlines.ts";
import type { Lane } from "./lane.ts";
import type { Patience } from "./patience.ts";
import type { Outcomes } from "./outcomes.ts";
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

/** A call whose result is live, for whoever watches it. */
export interface OpenCall {
  readonly runner: string;
  /** What this side holds of it. */
  readonly borrowed: number;
  /** Something that was asked of it begins (1) or is over (-1): a pool that drains waits for that. */
  use(change: 1 | -1): void;
  /** Ends it, whatever is still held of it, with what that answers from then on; the runner cleans up. */
  close(error?: Error): void;
}

/** Why a call should end: its pool closes, or its runner is to go. */
export type LeaveReason = "closed" | "lifetime" | "resized" | "retired";

/** Follows a call beyond its result. */
export interface Watch {
  /** Before the promise is fulfilled. */
  opened(call: OpenCall): void;
  /** To be closed as soon as what is under way is over. */
  leave(reason: LeaveReason): void;
  /** It is of no more use; `error` is why, unless it was closed or let go. */
  ended(error: Error | undefined): void;
  /** The runner has cleaned up, or is gone itself. */
  released(): void;
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
  /** Attempts before this call, of whoever repeats it by itself. */
  readonly attempt?: number;
  /** Of a batch, whose `resolve` gets the last results: those that come first. `returned`: what has not begun never will. */
  readonly part?: (outcomes: Outcomes, returned: boolean) => void;
  readonly watch?: Watch | undefined;
  /** For a call that a runner has made: `resolve` gets the payload of the result, and this the one of the error. */
  readonly relay?: { error?: Payload };
  /** How many calls it was made in. @default 0 */
  readonly depth?: number;
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
  /** How many calls it was made in, and how many it has made to its own pool and waits for. */
  readonly nesting: number;
  waiting: number;
  /** It has left for that runner: only an idempotent call may be repeated from here on. */
  sent: boolean;
  /** Its caller has been told the end; only the slot is still taken. */
  settled: boolean;
  /** Its caller has the result, and that is live: the call goes on until nobody needs it. */
  opened: boolean;
  /** And it has no slot any more: what its caller holds are functions. */
  kept: boolean;
  startedAt: number;
  clock: Deadline | undefined;
  /** Of those who wait for items of its result. */
  patience: Patience | undefined;
  bootClock: Deadline | undefined;
  /** Forgotten once its caller has a live result: they hold the promise, and that holds what is to be let go when dropped. */
  resolve: CallRequest["resolve"];
  reject: CallRequest["reject"];
  onAbort: (() => void) | undefined;
}

/** A stream that it was given has been read or written: what has gone through it is gone. */
export function hasBegun({ lane, id }: Call): boolean {
  return lane?.exchange.get(id)?.begun ?? false;
}

/** After the loss of its executor: whether the call is made again, and counts that. */
export function mayRepeat(call: Call, closed: boolean): boolean {
  // What its caller has cannot be taken back, nor what a stream has already given.
  if (call.opened || hasBegun(call)) return false;
  if (!call.sent) return true;
  // Only what was read can have started; should runners die of being called, that has an end as well.
  if (call.lane!.unread === call.id) return ++call.returned <= maxRepeats;
  if (!call.options.idempotent || call.repeated >= maxRepeats || closed) return false;
  call.repeated++;
  call.attempt++;
  return true;
}

type Called = Pick<CallRequest, "trace" | "captured">;

/** The caller's own frames; where there are none, the line at which the closure is written. */
function callerFrames({ trace, captured }: Called): string {
  const stack = trace?.stack ?? "";
  const start = stack.indexOf("\n    at ");
  return start < 0 ? `    at ${placeOf(captured.root)}` : stack.slice(start + 1);
}

/** Puts the caller's frames below those of the runner. */
export function joinStack(error: unknown, call: Called, runner: string): void {
  if (error instanceof Error && typeof error.stack === "string")
    setStack(error, `${error.stack}\n    at flame (runner ${runner})\n${callerFrames(call)}`);
}

/** For errors that the pool makes itself: its own frames are of no use to anybody. */
export function ownStack(error: Error, call: Called): void {
  setStack(error, `${error.name}: ${error.message}\n${callerFrames(call)}`);
}

function setStack(error: Error, stack: string): void {
  try {
    Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
  } catch {
    // Frozen: it keeps what it has.
  }
}
