/**
 * Time as the rest of the code sees it. `now` is monotonic milliseconds with an arbitrary zero; `wall` is the
 * system's idea of the date, for people only. A timer fires at most once, never before its time, and `cancel` is
 * idempotent. A timer does not keep the process alive until `hold(true)` says so.
 */
export interface Clock {
  now(): number;
  wall(): number;
  timer(delayMs: number, fire: () => void): Timer;
}

export interface Timer {
  cancel(): void;
  hold(alive: boolean): void;
}
