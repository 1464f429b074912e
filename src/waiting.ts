/** Waiting that a signal ends. */

/**
 * What `work` gives, or the reason of the first signal that aborts. The work itself goes on, and its failure is nobody's then.
 *
 * @param because What to reject with instead.
 */
export function unlessAborted<T>(
  work: Promise<T>,
  signals: readonly (AbortSignal | undefined)[],
  because: (signal: AbortSignal) => unknown = ({ reason }) => reason as unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const given = signals.filter((signal) => signal !== undefined);
    const stop = (event: { readonly target: unknown }): void =>
      settle(() => reject(because(event.target as AbortSignal) as Error));
    const settle = (act: () => void): void => {
      for (const signal of given) signal.removeEventListener("abort", stop);
      act();
    };
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error as Error)),
    );
    for (const signal of given) signal.addEventListener("abort", stop, { once: true });
    const aborted = given.find((signal) => signal.aborted);
    if (aborted) stop({ target: aborted });
  });
}

/** The part of a clock that is needed here. */
interface Timers {
  timer(delayMs: number, fire: () => void): { cancel(): void; hold(alive: boolean): void };
}

/** Holds the process. Rejects with the reason of `signal`. */
export async function pauseFor(clock: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.timer(ms, resolve);
  timer.hold(true);
  await unlessAborted(promise, [signal]).finally(() => timer.cancel());
}
