/** What became of the items of a batch, as a pool tells it. */

/** The end of one item. */
export interface Outcome {
  readonly failed: boolean;
  readonly value: unknown;
  /** The closure itself has failed: another attempt may help. */
  readonly own: boolean;
}

/** Ends of the items of a batch, in their order, from the first one on that had none. */
export interface Outcomes {
  readonly call: number;
  readonly runner: string;
  /** Of the whole batch so far, on the runner. */
  readonly spentMs: number;
  readonly ends: readonly Outcome[];
  /** The last of them is live: its call goes on until nobody needs it. */
  readonly live: boolean;
  /** Ends that call, when nobody is to have the live result. */
  readonly close?: (error: Error) => void;
  /** The end of all others: the closure could not even be called. */
  readonly rest: Outcome | undefined;
}
