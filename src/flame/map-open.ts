/**
 * Live results that a map has given: the caller's signal ends their calls, also when the map is over. Nobody says when a
 * call has ended by itself, so what is known of it here must not keep it, nor may the signal keep what is known here.
 */
export class OpenResults {
  readonly #signal: AbortSignal;
  readonly #calls = new Set<WeakRef<AbortController>>();
  readonly #gone = new FinalizationRegistry<WeakRef<AbortController>>((call) => {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#signal.removeEventListener("abort", this.#abort);
  });

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** The controller lives as long as its call. */
  add(controller: AbortController): void {
    if (this.#calls.size === 0) this.#signal.addEventListener("abort", this.#abort, { once: true });
    const call = new WeakRef(controller);
    this.#calls.add(call);
    this.#gone.register(controller, call);
  }

  readonly #abort = (): void => {
    for (const call of this.#calls) call.deref()?.abort(this.#signal.reason);
  };
}
