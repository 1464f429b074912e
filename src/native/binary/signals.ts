/** What ends a call from outside. */

/** Tells of the first of these signals that aborts, until the returned function is called. */
export function listen(
  signals: readonly (AbortSignal | undefined)[],
  aborted: (signal: AbortSignal) => void,
): () => void {
  const offs = signals.flatMap((signal) => {
    if (!signal || signal.aborted) return [];
    const tell = (): void => aborted(signal);
    signal.addEventListener("abort", tell, { once: true });
    return [() => signal.removeEventListener("abort", tell)];
  });
  return () => {
    for (const off of offs) off();
  };
}
