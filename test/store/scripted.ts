/** A driver whose requests go through a script first: it may delay, refuse, repeat or lose them. */
import { StoreError } from "../../src/errors.ts";
import type { StoreDriver } from "../../src/ports/store.ts";

export type Kind = "get" | "head" | "put" | "write" | "remove";
/** `act` does the request, each time that it is called. */
export type Script = (kind: Kind, key: string, act: () => Promise<unknown>) => Promise<unknown>;

export function scripted(driver: StoreDriver, script: Script): StoreDriver {
  return {
    ...driver,
    get: (key, options) => script("get", key, () => driver.get(key, options)) as never,
    head: (key, options) => script("head", key, () => driver.head(key, options)) as never,
    async write(key, body, options) {
      // What becomes of it is decided when it has been sent.
      const pieces: Uint8Array[] = [];
      for await (const piece of body) pieces.push(piece);
      async function* again(): AsyncGenerator<Uint8Array> {
        yield* pieces;
      }
      return (await script("write", key, () => driver.write(key, again(), options))) as never;
    },
    put: (key, body, options) => script("put", key, () => driver.put(key, body, options)) as never,
    remove: (key, options) => script("remove", key, () => driver.remove(key, options)) as never,
  };
}

/** As a driver says that it does not know what became of a write. */
export function noAnswer(): StoreError {
  return new StoreError("Cannot write: the connection was lost", { store: "test", maybe: true, transient: true });
}

/** As a driver says that nothing was done, and that the same may succeed later. */
export function busy(): StoreError {
  return new StoreError("Cannot write: the server is busy", { store: "test", transient: true });
}

/** As a driver says that it will never be done. */
export function forbidden(): StoreError {
  return new StoreError("Cannot write: access denied", { store: "test" });
}
