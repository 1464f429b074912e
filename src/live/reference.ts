/**
 * The two ends of a live reference. Its owner keeps the value (`Exported`), the other side has something that stands for
 * it (`Imported`); between them there is a `Line`, and one place that knows who may be on it: the scope.
 */

/** What an end may say to the other one. */
export interface Line {
  /** Sends a value and tells what it counts for, in bytes; later when it has to be read first. */
  item(value: unknown): number | Promise<number>;
  /** The last word of a stream; `value` is what a generator returned. */
  end(value: unknown): void;
  fail(error: unknown): void;
  /** Lets the other end send so many bytes more. */
  credit(bytes: number): void;
  /** Asks the owner to run something. Pre-handled: who drops the promise drops its failure. */
  call(method: string, args: readonly unknown[]): Promise<unknown>;
  /** This end does not need the reference any more. */
  release(): void;
}

export type Mark = "item" | "end" | "fail";

/** The owner's end. What it does not have the other side may not ask for: that breaks the protocol. */
export interface Exported {
  /** Told with the number of the reference. */
  readonly detail?: unknown;
  call?(method: string, args: readonly unknown[]): unknown;
  item?(mark: Mark, value: unknown, bytes: number): void;
  credit?(bytes: number): void;
  /** Nobody needs it any more: closes what only the other side would have closed. Called once. */
  end(): void | Promise<void>;
}

/**
 * The other end, which must not hold the value that stands for it: that one is let go when its user drops it. `end` is
 * called once, when the reference can be of no more use, with what it answers from then on.
 */
export interface Imported {
  item?(mark: Mark, value: unknown, bytes: number): void;
  credit?(bytes: number): void;
  end(error: Error): void;
}
