/** How long a request may take. */
import type { Clock, Timer } from "../../ports/clock.ts";
import { unlessAborted } from "../../waiting.ts";

export type Ending = "late" | "aborted" | "closed";

/** Ends one request: when its time is over, when its caller gives up, or when the driver is closed. */
export class Deadline implements Disposable {
  /** To be given to what is to be ended. */
  readonly signal: AbortSignal;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  #ending: Ending | undefined;
  #limitMs = 0;
  #timer: Timer | undefined;
  #forget: () => void;

  constructor(clock: Clock, ms: number, caller?: AbortSignal, closing?: AbortSignal) {
    this.#clock = clock;
    this.signal = this.#controller.signal;
    const abort = (): void => this.end("aborted");
    const close = (): void => this.end("closed");
    caller?.addEventListener("abort", abort);
    closing?.addEventListener("abort", close);
    this.#forget = () => {
      caller?.removeEventListener("abort", abort);
      closing?.removeEventListener("abort", close);
    };
    if (caller?.aborted) abort();
    else if (closing?.aborted) close();
    else this.extend(ms);
  }

  /** Why it is over; undefined as long as it is not. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** How long it was at last, in milliseconds. */
  get limitMs(): number {
    return this.#limitMs;
  }

  /** Throws when it is over already. */
  check(): void {
    if (this.#ending !== undefined) throw this.signal.reason;
  }

  /** So many milliseconds are left from now on. */
  extend(ms: number): void {
    this.#timer?.cancel();
    this.#limitMs = ms;
    if (this.#ending === undefined) this.#timer = this.#clock.timer(ms, () => this.end("late"));
  }

  /** What `work` gives, but not later than the end. */
  race<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(work, [this.signal]);
  }

  /** The request is over, and it does not matter any more when. */
  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#forget();
  }

  /** Over now. */
  end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this[Symbol.dispose]();
    this.#controller.abort(new Error(`the request was ended: ${ending}`));
  }
}
