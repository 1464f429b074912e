/** The system's clock. The only file that asks Node for the time or for a timer. */
import { performance } from "node:perf_hooks";
import type { Clock, Timer } from "./ports/clock.ts";

const longest = 2 ** 31 - 1;
const never: Timer = { cancel() {}, hold() {} };

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  timer: (delayMs, fire) => (delayMs === Infinity ? never : arm(delayMs, fire)),
};

/** Node clamps delays above 2^31-1 ms to 1 ms; longer ones are armed in steps. */
function arm(delayMs: number, fire: () => void): Timer {
  let left = delayMs;
  let held = false;
  let handle: NodeJS.Timeout;
  const step = (): void => {
    const part = Math.min(left, longest);
    left -= part;
    handle = setTimeout(left > 0 ? step : fire, Math.ceil(part));
    if (!held) handle.unref();
  };
  step();
  return {
    cancel: () => clearTimeout(handle),
    hold(alive) {
      held = alive;
      if (alive) handle.ref();
      else handle.unref();
    },
  };
}
