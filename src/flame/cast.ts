/** `flame.cast`: work that nobody waits for. */
import type { Context } from "../context.ts";
import { events } from "../events/index.ts";
import { takeTrace } from "../trace.ts";
import { FlameCall } from "./call.ts";
import { type FlameOptions, checkFlameOptions } from "./options.ts";
import { prepare, submit } from "./submit.ts";

/**
 * Runs a closure on a runner and does not wait for its end: the promise is fulfilled when a runner has accepted it. What
 * it fails with after that is the event `cast.failed`. The queue bounds it: beyond the pool's `queueLimit` it rejects.
 *
 * The process stays alive until the closure has ended, as it does for every call.
 *
 * @throws CaptureError, QueueFullError, QueueTimeoutError, BootError, RunnerLostError before it was accepted.
 * @example
 * await flame.cast(() => console.log("indexed"));
 */
export function cast(fn: (context: Context) => unknown, options: FlameOptions = {}): Promise<void> {
  const trace = takeTrace(cast);
  return FlameCall.begin((resolve, reject) => {
    checkFlameOptions(options, "flame.cast");
    const prepared = prepare(fn, options, "flame.cast");
    let accepted = false;
    const accept = (): void => {
      accepted = true;
      resolve(undefined);
    };
    const { name } = prepared.options;
    submit(prepared, {
      mode: "cast",
      trace,
      accepted: accept,
      resolve: accept,
      reject: (error) => {
        if (accepted) events.emit("cast.failed", { pool: prepared.pool.name, name, error });
        else reject(error);
      },
    });
  }, cast) as Promise<void>;
}
