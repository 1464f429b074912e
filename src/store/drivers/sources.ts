/** What a body is written from. */
import { unlessAborted } from "../../waiting.ts";

/**
 * The pieces of `source` until a signal aborts, also while the source keeps silent. However it ends, the source is told; it is not waited
 * for, because one that is silent would not hear. `onFailure` hears what the source itself throws.
 */
export async function* unlessSilent<T>(
  source: AsyncIterable<T>,
  signals: readonly (AbortSignal | undefined)[],
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
