/** One call on its way: what is sent, who waits for it, and which clocks run. */
import type { Captured } from "../closure/capture.ts";
import { placeOf } from "../closure/units.ts";
import type { Deadline } from "./deadlines.ts";
import type { RunnerLink } from "./link.ts";

export interface CallOptions {
  readonly name: string;
  readonly timeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly idempotent: boolean;
  readonly priority: number;
  readonly key: string | undefined;
  readonly onProgress: ((value: unknown) => void) | undefined;
}

export interface CallRequest {
  readonly captured: Captured;
  readonly options: CallOptions;
  /** Made where `flame` was called, unless too many calls are made: its frames are joined to those of an error from the runner. */
  readonly trace: { readonly stack?: string } | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface Call extends CallRequest {
  readonly id: number;
  attempt: number;
  /** Set while it is on a runner. */
  link: RunnerLink | undefined;
  /** It has left for that runner: only an idempotent call may be repeated from here on. */
  sent: boolean;
  /** Its caller has been told the end; only the slot is still taken. */
  settled: boolean;
  queuedAt: number;
  startedAt: number;
  clock: Deadline | undefined;
  bootClock: Deadline | undefined;
  onAbort: (() => void) | undefined;
}

/** Furthest attempts of an idempotent call after its first. */
export const maxRepeats = 3;

/** The caller's own frames below the runner's; where there are none, the line at which the closure is written. */
export function joinStack(error: unknown, call: Call, runner: string): void {
  if (!(error instanceof Error) || typeof error.stack !== "string") return;
  const own = call.trace?.stack ?? "";
  const frames = own.includes("\n    at ") ? own.slice(own.indexOf("\n    at ") + 1) : `    at ${placeOf(call.captured.root)}`;
  try {
    Object.defineProperty(error, "stack", { value: `${error.stack}\n    at flame (runner ${runner})\n${frames}`, writable: true, configurable: true });
  } catch {
    // Frozen: it keeps the runner's frames alone.
  }
}
