/** What the compiler knows of a binary: which of `run` and `call` it has, and what they take and give. */
import type { Duration } from "../../duration.ts";
import type { Child, StartContext } from "../../ports/child.ts";
import type { BinaryStats } from "./engine.ts";
import type { BinaryCloseOptions } from "./handle.ts";
import type { CallOptions, HealthOptions, RunOptions, WorkerOptions } from "./options.ts";
import type { BinaryRun } from "./run-call.ts";

/** What every binary has. */
export interface AnyBinary extends AsyncDisposable {
  readonly name: string;
  readonly id: string;
  start(context?: StartContext): Promise<Child>;
  stats(): BinaryStats;
  close(options?: BinaryCloseOptions): Promise<void>;
}

/** A program that is started for each call. */
export interface OneShotBinary extends AnyBinary {
  /**
   * Runs it, once one of `size` places is free.
   *
   * @returns A promise of its result, and at once its `stdin`, `stdout` and `stderr` as Web streams.
   * @throws BinaryExitError when it does not end with exit code 0; CallTimeoutError, AbortError, QueueTimeoutError, QueueFullError,
   * PoolClosedError, BinaryStartError.
   */
  run(args: readonly string[] | undefined, options: RunOptions & { readonly encoding: "utf8" }): BinaryRun<string>;
  run(args?: readonly string[], options?: RunOptions & { readonly encoding?: "bytes" }): BinaryRun<Uint8Array>;
}

/** A program that stays up and answers a request `Q` by an `A`. */
export interface WorkerBinary<Q, A> extends AnyBinary {
  /**
   * Asks one of its workers.
   *
   * @throws TypeError for a request that cannot be written, before anything is. BinaryExitError when the worker ends before it has
   * answered, BinaryProtocolError when its answer is none; CallTimeoutError, AbortError, QueueTimeoutError, QueueFullError,
   * PoolClosedError, BinaryStartError.
   */
  call(request: Q, options?: CallOptions): Promise<A>;
}

/** A program that answers JSON by JSON. Types are as good as the program. */
export interface JsonBinary<Q = unknown, A = unknown> extends AnyBinary {
  call<R extends A = A>(request: Q, options?: CallOptions): Promise<R>;
}

type Health<Q, A> = Omit<HealthOptions, "probe"> & {
  readonly every: Duration;
  readonly probe: (call: (request: Q) => Promise<A>) => unknown;
};

/** Options of workers whose probe is typed as their calls are. */
export type TypedOptions<P extends WorkerOptions["protocol"], Q, A> = Omit<WorkerOptions<P>, "health"> & {
  readonly health?: Health<Q, A>;
};
