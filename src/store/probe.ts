/** Finds out whether a server keeps to the conditions of writes. Some take them and do not look at them, which loses data in silence. */
import { randomBytes } from "node:crypto";
import { StoreError } from "../errors.ts";
import type { PutOutcome, StoreDriver } from "../ports/store.ts";
import { unlessAborted } from "../waiting.ts";

/** Trials are kept below it, each for the moment that it takes. */
const folder = ".tinderbox/probe/";
/** How often a trial begins anew when the server fails for a moment. */
const tries = 3;
/** No content has it. */
const wrongEtag = '"00000000000000000000000000000000"';

/**
 * The same driver, but before the first conditional write is done, it is tried out whether conditions count. If not, each conditional write
 * fails, and only those. A trial that came to nothing, because the server failed, is made again by the next one.
 */
export function guarded(driver: StoreDriver): StoreDriver {
  let trial: Promise<void> | undefined;
  const tried = (): Promise<void> =>
    (trial ??= probe(driver).catch((error: unknown) => {
      if (!(error instanceof Verdict)) trial = undefined;
      throw error instanceof Verdict ? error.error : undone(error);
    }));
  const before = async (signal: AbortSignal | undefined): Promise<void> => {
    signal?.throwIfAborted();
    // The others still want to know.
    await unlessAborted(tried(), [signal]);
  };
  return {
    name: driver.name,
    counts: driver.counts,
    prices: driver.prices,
    get: (key, options) => driver.get(key, options),
    head: (key, options) => driver.head(key, options),
    list: (prefix, options) => driver.list(prefix, options),
    read: (key, options) => driver.read(key, options),
    close: () => driver.close(),
    async put(key, body, options) {
      if (options?.condition !== undefined) await before(options.signal);
      return driver.put(key, body, options);
    },
    async write(key, body, options) {
      if (options?.condition !== undefined) await before(options.signal);
      return driver.write(key, body, options);
    },
    async remove(key, options) {
      if (options?.ifMatch !== undefined) await before(options.signal);
      return driver.remove(key, options);
    },
  };
}

/** Not to be tried again: that is how the server is. */
class Verdict extends Error {
  readonly error: StoreError;

  constructor(error: StoreError) {
    super(error.message);
    this.error = error;
  }
}

async function probe(driver: StoreDriver): Promise<void> {
  for (let failures = 1; ; failures++) {
    const key = folder + randomBytes(16).toString("hex");
    try {
      return await tryOut(driver, key);
    } catch (error) {
      if (unable(error)) throw verdict(driver, "does not know conditional writes", error);
      const passing = StoreError.is(error) && (error as StoreError).transient;
      if (!passing || failures === tries) throw error;
    } finally {
      // What is left of it is small, and in nobody's way.
      await driver.remove(key).catch(() => undefined);
    }
  }
}

async function tryOut(driver: StoreDriver, key: string): Promise<void> {
  const put = (text: string, condition: { readonly ifMatch: string } | "absent"): Promise<PutOutcome> =>
    driver.put(key, Buffer.from(`${text} ${key}\n`), { condition });
  const ignored = (header: string, when: string): Verdict =>
    verdict(driver, `ignores ${header} when an object is ${when}`);

  const first = await put("first", "absent");
  if (first === "lost") throw verdict(driver, "refuses If-None-Match where nothing is");
  if ((await put("second", "absent")) !== "lost") throw ignored("If-None-Match", "written");
  if ((await put("third", { ifMatch: wrongEtag })) !== "lost") throw ignored("If-Match", "written");
  const next = await put("fourth", { ifMatch: first.etag });
  if (next === "lost") throw verdict(driver, "refuses If-Match with the etag that it gave");
  if (next.etag === first.etag) throw verdict(driver, "gives the same etag to different contents");
  if ((await driver.remove(key, { ifMatch: first.etag })) !== "lost") throw ignored("If-Match", "deleted");
}

function verdict({ name }: StoreDriver, what: string, cause?: unknown): Verdict {
  return new Verdict(
    new StoreError(
      `Cannot use ${name} for cells, leases and conditional writes: the server ${what}; use AWS S3, or a server that checks the conditions of writes and deletions`,
      { store: name, cause },
    ),
  );
}

/** The server has said that it cannot do it. */
function unable(error: unknown): boolean {
  return StoreError.is(error) && (error as { readonly status?: unknown }).status === 501;
}

/** The trial failed; of what was asked for nothing was done. */
function undone(error: unknown): unknown {
  if (!StoreError.is(error)) return error;
  const { message, store, transient } = error as StoreError;
  return new StoreError(message, { store, transient, cause: error });
}
