/** Calls of a placed object's methods that have not begun: in order, and as long as their callers want to wait. */
import { QueueTimeoutError } from "../errors.ts";
import type { Packed } from "../pool/lending.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Trace } from "../trace.ts";

/** One call of a method. */
export interface Turn {
  readonly method: string;
  readonly args: Packed;
  readonly trace: Trace | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Once it has begun: its caller waits no longer. */
  told?: () => void;
}

export class Turns {
  readonly #clock: Clock;
  readonly #waiting = new Map<Turn, Timer | undefined>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(turn: Turn): void {
    this.#waiting.set(turn, undefined);
  }

  /** False when it is not here any more. */
  delete(turn: Turn): boolean {
    this.#waiting.get(turn)?.cancel();
    return this.#waiting.delete(turn);
  }

  shift(): Turn | undefined {
    const [turn] = this.#waiting.keys();
    if (turn) this.delete(turn);
    return turn;
  }

  /** From now on each waits for so long at most, unless `wait` comes first. */
  hurry(withinMs: number, name: string): void {
    for (const [turn, timer] of this.#waiting) {
      if (timer) continue;
      const late = (): void => {
        this.#waiting.delete(turn);
        turn.reject(
          new QueueTimeoutError(
            `Cannot call \`${turn.method}\` of ${name}: it is being made again, which takes longer than ${withinMs} ms; raise timeout`,
            { timeoutMs: withinMs, started: false },
          ),
        );
      };
      this.#waiting.set(turn, this.#clock.timer(withinMs, late));
    }
  }

  /** They wait for others like themselves again. */
  wait(): void {
    for (const [turn, timer] of this.#waiting) {
      timer?.cancel();
      this.#waiting.set(turn, undefined);
    }
  }

  reject(error: Error): void {
    for (let turn = this.shift(); turn; turn = this.shift()) turn.reject(error);
  }
}
