/**
 * Writes and removals whose answer may leave a doubt: a failure that may have come after they were done, and a refusal that may be that of
 * a second try of one that was. What is there tells.
 */
import { StoreConflictError, StoreDataError } from "../errors.ts";
import { defaultPatienceMs, isMaybe, isTransient, type RemoveOptions, type Requests } from "./requests.ts";

/**
 * What was found. `done`: it was. `open`: not yet, though what was sent may still come; the same may be tried again. `other`: something
 * else has happened since.
 */
export type Look<T> = { readonly kind: "done"; readonly result: T } | { readonly kind: "open" | "other" };

export interface Settling<T> {
  readonly key: string;
  /** What messages call it. */
  readonly named: string;
  readonly action: "written" | "deleted";
  readonly signal: AbortSignal | undefined;
  /** One try. */
  readonly act: () => Promise<T | "lost">;
  /** Asks what is there, for that long at most. */
  readonly look: (patienceMs: number) => Promise<Look<T>>;
  /** Whether it can be done again after it failed; asked each time. */
  readonly again: () => boolean;
}

/**
 * Tries until it is known what came of it, for up to 30 seconds. "lost" only when it was surely not done.
 *
 * @throws What the last try threw; with `maybe: true` when it may have been done, and StoreConflictError "unknown" when that can never be
 *   known any more. AbortError when `signal` aborts.
 */
export async function settle<T>(requests: Requests, settling: Settling<T>): Promise<T | "lost"> {
  const { key, named, action, signal, act, look, again } = settling;
  const { clock } = requests.deps;
  const end = clock.now() + defaultPatienceMs;
  const left = (): number => Math.max(0, end - clock.now());
  /** The last failure after which it may have been done. */
  let doubt: unknown;
  const unknown = (): StoreConflictError =>
    new StoreConflictError(
      `Cannot tell whether ${named} was ${action}: the answer was lost, and others have changed it since; read it before you try again`,
      { store: requests.name, key, reason: "unknown", maybe: true, cause: doubt },
    );
  for (let failures = 1; ; failures++) {
    let failure: unknown;
    let lost = false;
    try {
      const outcome = await act();
      if (outcome !== "lost") return outcome;
      lost = true;
    } catch (error) {
      failure = error;
      if (isMaybe(error)) doubt = error;
      if (signal?.aborted) throw ending(error);
    }
    if (lost || isMaybe(failure)) {
      const found = await looked();
      if (found.kind === "done") return found.result;
      if (doubt === undefined) return "lost";
      if (lost || found.kind === "other") throw unknown();
    }
    const pauseMs = requests.pauseMs(failures);
    if (!isTransient(failure) || !again() || pauseMs > left()) throw doubtful(failure);
    await requests.pause(pauseMs, signal).catch(() => Promise.reject(ending(undefined)));
    requests.retried++;
  }

  async function looked(): Promise<Look<T>> {
    try {
      return await look(left());
    } catch (error) {
      if (signal?.aborted) throw ending(undefined);
      // What is damaged is not ours. And without a doubt a refusal is taken at its word.
      if (StoreDataError.is(error) || doubt === undefined) return { kind: "other" };
      throw doubt;
    }
  }

  /** A failure, as long as there is no doubt about an earlier try. */
  function doubtful(failure: unknown): unknown {
    return doubt === undefined || isMaybe(failure) ? failure : doubt;
  }

  function ending(error: unknown): unknown {
    if (isMaybe(error)) return error;
    return requests.aborted(signal!, doubt === undefined ? {} : { maybe: true });
  }
}

/** Removes what is there, or with `ifMatch` what has that etag. Tried again as long as that can help, for up to 30 seconds. */
export function remove(
  requests: Requests,
  key: string,
  named: string,
  { ifMatch, signal }: RemoveOptions,
): Promise<"done" | "lost"> {
  const act = (): Promise<"done" | "lost"> => requests.remove(key, { ifMatch, signal });
  // Done twice it is the same.
  if (ifMatch === undefined) return act();
  const look = async (patienceMs: number): Promise<Look<"done">> => {
    const found = await requests.head(key, { signal }, patienceMs);
    if (!found) return { kind: "done", result: "done" };
    return { kind: found.etag === ifMatch ? "open" : "other" };
  };
  return settle<"done">(requests, { key, named, action: "deleted", signal, act, look, again: () => true });
}
