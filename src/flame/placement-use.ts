/** One of those who have a placed object: what they were given, and how they let go of it. */
import { AbortError, TinderboxError } from "../errors.ts";
import { type ObjectShape, remoteObject } from "../live/object.ts";
import { type Trace, takeTrace } from "../trace.ts";
import { FlameCall } from "./call.ts";
import type { Placement } from "./placement.ts";

/** Handles that nobody has any more let go of what they stand for. */
const dropped = new FinalizationRegistry<PlacementUse>((use) => use.drop());

export class PlacementUse {
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  /** Who waits for something of it, and how that is given up. */
  readonly #waiting = new Map<(error: Error) => void, (error: Error) => void>();
  #placement: Placement | undefined;
  /** Why it can be used no more. */
  #over: Error | undefined;
  #disposed: Promise<void> | undefined;

  /** `fail` is called when the signal aborts before there is a handle. */
  constructor(signal: AbortSignal | undefined, fail: (error: Error) => void) {
    this.#signal = signal;
    this.#waiting.set(fail, fail);
    this.#onAbort = () => this.#abort();
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** It was aborted before it had anything. */
  get over(): boolean {
    return this.#over !== undefined;
  }

  join(placement: Placement): void {
    this.#placement = placement;
    placement.join();
  }

  /** There will be no handle. */
  failed(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#waiting.clear();
  }

  handle(shape: ObjectShape): object {
    this.#waiting.clear();
    const handle = remoteObject(shape, {
      call: (method, args, below) => {
        const trace = takeTrace(below);
        return FlameCall.begin((resolve, reject) => this.#call(method, args, trace, resolve, reject), below);
      },
      dispose: () => this.#dispose(),
    });
    dropped.register(handle, this, this);
    // A signal lives longer than what it aborts.
    void this.#placement!.gone.then(() => this.failed());
    return handle;
  }

  drop(): void {
    if (this.#over) return;
    this.#let(released());
    this.#placement!.drop(released());
  }

  #call(
    method: string,
    args: readonly unknown[],
    trace: Trace | undefined,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    if (this.#over) throw this.#over;
    const done =
      (tell: (value: unknown) => void) =>
      (value: unknown): void => {
        this.#waiting.delete(reject);
        tell(value);
      };
    this.#waiting.set(reject, reject);
    const giveUp = this.#placement!.call(method, args, { trace, resolve: done(resolve), reject: done(reject) });
    if (this.#waiting.has(reject)) this.#waiting.set(reject, giveUp);
  }

  #dispose(): Promise<void> {
    if (this.#disposed) return this.#disposed;
    if (this.#over) return Promise.resolve();
    this.#let(released());
    this.#disposed = this.#placement!.leave(released());
    // Who does not wait for it does not want to know.
    this.#disposed.catch(() => {});
    return this.#disposed;
  }

  #abort(): void {
    if (this.#over) return;
    const error = new AbortError("Cannot go on with a placed object: it was aborted", {
      cause: this.#signal!.reason as unknown,
    });
    this.#let(error);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const giveUp of waiting) giveUp(error);
    this.#placement?.abort(error);
  }

  #let(error: Error): void {
    this.#over = error;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    dropped.unregister(this);
  }
}

function released(): TinderboxError {
  return new TinderboxError("Cannot use a placed object: it was disposed; place it again, or dispose it later", {
    code: "ERR_TINDERBOX_RELEASED",
  });
}
