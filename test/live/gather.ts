/** What cases share, here and on runners: it imports nothing of the package or of vitest. */

/** The error that a promise rejects with. */
export async function failure(promise: PromiseLike<unknown>): Promise<Error & Record<string, unknown>> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new Error(`Cannot see the failure: there is a value, ${JSON.stringify(value)}`);
}

export interface Gathered<T> {
  readonly items: T[];
  readonly error: (Error & Record<string, unknown>) | undefined;
}

/** All items up to the end or the failure. */
export async function gather<T>(iterable: AsyncIterable<T>): Promise<Gathered<T>> {
  const items: T[] = [];
  try {
    for await (const item of iterable) items.push(item);
  } catch (error) {
    return { items, error: error as Error & Record<string, unknown> };
  }
  return { items, error: undefined };
}

/** A promise, and how to settle it. */
export function gate<T = void>() {
  return Promise.withResolvers<T>();
}

/** Two turns of the event loop: whatever was going on in this process only has happened. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
