/** Judges by beats whether the other side is alive. It says so once, and only of a side that could have answered. */
import type { Clock, Timer } from "../ports/clock.ts";

const beatMs = 1_000;
const missedBeats = 3;
/** Beats that the other side has for its start, on a machine that is busy. */
const firstBeat = 15;

export interface HeartHandlers {
  /** Ask for a sign of life. */
  ping(): void;
  lost(reason: string): void;
}

export class Heart {
  readonly #clock: Clock;
  readonly #handlers: HeartHandlers;
  #timer: Timer | undefined;
  #missed = 0;
  #patience = firstBeat;

  constructor(clock: Clock, handlers: HeartHandlers) {
    this.#clock = clock;
    this.#handlers = handlers;
  }

  start(): void {
    this.#listen(this.#clock.now());
  }

  /** A sign of life has come. */
  beat(): void {
    this.#missed = 0;
    this.#patience = missedBeats;
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #listen(since: number): void {
    this.#handlers.ping();
    this.#timer = this.#clock.timer(beatMs, () => {
      const now = this.#clock.now();
      // Late ourselves: what the other side may have missed meanwhile proves nothing.
      const late = now - since > beatMs * 1.5;
      if (!late && ++this.#missed >= this.#patience)
        this.#handlers.lost(`heartbeat lost: no sign of life for ${this.#patience} s`);
      else this.#listen(now);
    });
  }
}
