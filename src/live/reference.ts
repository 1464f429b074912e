/**
 * The two ends of a live reference. Its owner keeps the value (`Exported`), the other side has something that stands for
 * it (`Imported`); between them there is a `Line`, and one place that knows who may be on it: the scope.
 */

/** What an end may say to the other one. */
export interface Line {
  /**
   * Sends a value and tells what it counts for, in bytes; later when it has to be read first. Throws for what cannot
   * travel. With `copy` its memory is the caller's again at once.
   */
  item(value: unknown, copy: boolean): number | Promise<number>;
  /** The last word of a stream; `value` is what a generator returned. Never throws: what cannot travel is a failure. */
  end(value: unknown): void;
  /** Never throws. */
  fail(error: unknown): void;
  /** Plain data by itself, to be told with the number of a reference; undefined for what cannot be. */
  encode(value: unknown): Uint8Array | undefined;
  /** Lets the other end send so many bytes more. */
  credit(bytes: number): void;
  /** Asks the owner to run something. Pre-handled: who drops the promise drops its failure. */
  call(method: string, args: unknown, told?: Told): Promise<unknown>;
  /** This end does not need the reference any more. */
  release(): void;
  /**
   * The user is done with it: has seen the end of a stream, or said so. One who has only dropped it may well hold
   * others that came through it.
   */
  over(): void;
}

/** For whoever asks and wants to know more than the answer. */
export interface Told {
  /** The owner's error has come; the promise rejects with it next. */
  failed(error: unknown): void;
  /** It is over at the owner's, or never was: also long after nobody waits for it. Called once. */
  over(): void;
}

export type Mark = "item" | "end" | "fail";

/** The owner's end. What it does not have the other side may not ask for: that breaks the protocol. */
export interface Exported {
  /** Told with the number of the reference. */
  readonly detail?: unknown;
  /** What may be called; whatever it is where this is left out. */
  readonly methods?: readonly string[];
  /** A stream that has begun: what was read from it or written to it is gone. */
  readonly begun?: boolean;
  call?(method: string, args: readonly unknown[]): unknown;
  item?(mark: Mark, value: unknown, bytes: number): void;
  credit?(bytes: number): void;
  /** Nobody needs it any more: closes what only the other side would have closed. `error` is why, unless all is well. */
  end(error?: Error): void | Promise<void>;
}

/**
 * The other end, which must not hold the value that stands for it: that one is let go when its user drops it. `end` is
 * called once, when the reference can be of no more use, with what it answers from then on.
 */
export interface Imported {
  /** Its call is not kept open for it. */
  readonly passive?: boolean;
  item?(mark: Mark, value: unknown, bytes: number): void;
  credit?(bytes: number): void;
  end(error: Error): void;
}
