/** Brings files into a store under names that their bytes have given them: never twice, and never in place of anything. */
import { createReadStream } from "node:fs";
import { type Backoff, backoffMs } from "../../backoff.ts";
import { ReleaseError, StoreError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PutOutcome, StoreDriver } from "../../ports/store.ts";

export interface UploadDeps {
  readonly driver: StoreDriver;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

const tries = 6;
const pauses: Backoff = { initialMs: 200, maxMs: 5_000, factor: 2, jitter: true };

/**
 * Asks without reading it whether an object is there.
 *
 * @throws ReleaseError when it is there with another number of bytes: then it is not what its name says.
 */
export async function isThere(key: string, bytes: number, deps: UploadDeps): Promise<boolean> {
  const found = await again(deps, () => deps.driver.head(key, { signal: deps.signal }));
  if (found && found.size !== bytes)
    throw new ReleaseError(
      `Cannot use ${JSON.stringify(key)} of ${deps.driver.name}: it has ${found.size} bytes, and its name is that of ${bytes}; remove it and pack again`,
    );
  return found !== undefined;
}

export interface UploadOptions extends UploadDeps {
  readonly key: string;
  readonly bytes: number;
  /** Told how many bytes have been read so far; less than before when they have to be read again. */
  readonly onBytes?: ((done: number) => void) | undefined;
}

/** "there": somebody else was faster. */
export function uploadFile(file: string, options: UploadOptions): Promise<"uploaded" | "there"> {
  const { driver, key, signal, onBytes } = options;
  return upload(options, () => driver.write(key, pieces(file, onBytes), { condition: "absent", signal }));
}

/** As `uploadFile`, for few bytes. */
export function uploadBytes(body: Uint8Array, options: UploadOptions): Promise<"uploaded" | "there"> {
  const { driver, key, signal } = options;
  return upload(options, () => driver.put(key, body, { condition: "absent", signal }));
}

async function upload(options: UploadOptions, act: () => Promise<PutOutcome>): Promise<"uploaded" | "there"> {
  const there = (): Promise<boolean> => isThere(options.key, options.bytes, options);
  // A try that failed may have been done: the next one would be told of its own object.
  const done = async (): Promise<"there" | undefined> => ((await there()) ? "there" : undefined);
  const outcome = await again(options, act, done);
  if (outcome === "lost") await there();
  return typeof outcome === "object" || outcome === "there" ? "uploaded" : "there";
}

async function* pieces(file: string, onBytes: UploadOptions["onBytes"]): AsyncGenerator<Uint8Array> {
  let done = 0;
  onBytes?.(done);
  for await (const piece of createReadStream(file, { highWaterMark: 512 * 1024 })) {
    yield piece as Buffer;
    onBytes?.((done += (piece as Buffer).length));
  }
}

/** Tries again after failures that pass. `done` gives the result of a try that has failed and was done all the same. */
async function again<T, D = never>(
  { clock, signal }: UploadDeps,
  act: () => Promise<T>,
  done?: () => Promise<D | undefined>,
): Promise<T | D> {
  for (let failures = 1; ; failures++) {
    try {
      return await act();
    } catch (error) {
      signal?.throwIfAborted();
      if (!StoreError.is(error)) throw error;
      const { transient, maybe } = error as StoreError;
      const found = maybe && done ? await done() : undefined;
      if (found !== undefined) return found;
      if (!transient || failures === tries) throw error;
      await pause(clock, backoffMs(failures, pauses), signal);
    }
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      timer.cancel();
      reject(signal!.reason as Error);
    };
    const timer = clock.timer(ms, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    timer.hold(true);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
