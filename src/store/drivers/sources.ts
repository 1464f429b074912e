/** Waiting that a signal ends. */

/** What `work` gives, or the reason of the first signal that aborts. The work itself goes on, and its failure is nobody's then. */
export function unlessAborted<T>(work: Promise<T>, signals: readonly AbortSignal[]): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (event: { readonly target: unknown }): void =>
      settle(() => reject((event.target as AbortSignal).reason));
    const settle = (act: () => void): void => {
      for (const signal of signals) signal.removeEventListener("abort", stop);
      act();
    };
    work.then(
      (value) => settle(() => resolve(value)),
      (error: unknown) => settle(() => reject(error as Error)),
    );
    for (const signal of signals) signal.addEventListener("abort", stop, { once: true });
    const aborted = signals.find((signal) => signal.aborted);
    if (aborted) stop({ target: aborted });
  });
}

/**
 * The pieces of `source` until a signal aborts, also while the source keeps silent. However it ends, the source is told; it is not waited
 * for, because one that is silent would not hear. `onFailure` hears what the source itself throws.
 */
export async function* unlessSilent<T>(
  source: AsyncIterable<T>,
  signals: readonly AbortSignal[],
  onFailure?: (error: unknown) => void,
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  const next = (): Promise<IteratorResult<T>> =>
    iterator.next().then(
      (result) => {
        ended = result.done === true;
        return result;
      },
      (error: unknown) => {
        ended = true;
        onFailure?.(error);
        throw error;
      },
    );
  try {
    for (;;) {
      const result = await unlessAborted(next(), signals);
      if (result.done) return;
      yield result.value;
    }
  } finally {
    if (!ended) iterator.return?.().catch(() => undefined);
  }
}
