/**
 * Where `flame` was called, for the stack of an error that comes back. Reading the stack costs as much as the rest of a
 * small call, so a process takes up to 1,000 traces a second; calls beyond that show the line of their closure alone.
 */
import { systemClock } from "./clock.ts";

export interface Trace {
  readonly stack?: string;
}

const perWindow = 100;
const windowMs = 100;
let left = perWindow;
let windowEnd = 0;

/** Frames from the caller of `below` on; undefined when there are too many calls to look. */
export function takeTrace(below: (...args: never[]) => unknown): Trace | undefined {
  if (left === 0) {
    const now = systemClock.now();
    if (now < windowEnd) return undefined;
    left = perWindow;
    windowEnd = now + windowMs;
  }
  left--;
  const trace: Trace = {};
  Error.captureStackTrace(trace, below);
  return trace;
}
