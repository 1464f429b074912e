/** The system's clock. The only file that asks Node for the time or for a timer. */
import type { Clock, Timer } from "./ports/clock.ts";

const longest = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  timer(delayMs, fire, hold = false) {
    if (delayMs === Infinity) return { cancel() {} };
    return arm(delayMs, fire, hold);
  },
};

/** Node clamps delays above 2^31-1 ms to 1 ms; longer ones are armed in steps. */
function arm(delayMs: number, fire: () => void, hold: boolean): Timer {
  let left = delayMs;
  let handle: NodeJS.Timeout;
  const step = (): void => {
    const now = Math.min(left, longest);
    left -= now;
    handle = setTimeout(left > 0 ? step : fire, Math.ceil(now));
    if (!hold) handle.unref();
  };
  step();
  return { cancel: () => clearTimeout(handle) };
}
