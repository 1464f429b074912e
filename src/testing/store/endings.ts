import assert from "node:assert/strict";
import type { StoreDriver } from "../../ports/store.ts";
import {
  type StoreCase,
  bytes,
  create,
  done,
  drain,
  expectText,
  found,
  isMaybe,
  keysOf,
  opened,
  patterned,
  peek,
  refusal,
  source,
} from "./subject.ts";

/** Gives one piece and then keeps silent. `silent` resolves when it does. */
function stuck(): { body: AsyncIterable<Uint8Array>; silent: Promise<void> } {
  const { promise: silent, resolve } = Promise.withResolvers<void>();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield patterned(200_000);
    resolve();
    await new Promise(() => undefined);
  }
  return { body: pieces(), silent };
}

const requests: Readonly<Record<string, (driver: StoreDriver, signal?: AbortSignal) => Promise<unknown>>> = {
  get: (driver, signal) => driver.get("a", { signal }),
  head: (driver, signal) => driver.head("a", { signal }),
  put: (driver, signal) => driver.put("a", bytes("two"), { signal }),
  remove: (driver, signal) => driver.remove("a", { signal }),
  list: (driver, signal) => driver.list("", { signal }),
  read: (driver, signal) => driver.read("a", { signal }),
  write: (driver, signal) => driver.write("a", source("two"), { signal }),
};

export const endingCases: readonly StoreCase[] = [
  {
    name: "a request whose signal has aborted before does nothing",
    async run({ driver }) {
      const etag = await create(driver, "a", "one");
      for (const [name, request] of Object.entries(requests)) {
        assert.ok(!isMaybe(await refusal(request(driver, AbortSignal.abort()))), `${name} is not sure`);
        assert.equal((await found(driver, "a")).etag, etag, `${name} did something`);
      }
    },
  },
  {
    name: "a write that is aborted is done, or fails and is not done, or says that it may be",
    async run({ driver }) {
      for (let turns = 0; turns < 40; turns++) {
        const key = `key ${turns}`;
        const { signal, abort } = aborter();
        const write =
          turns % 2 === 0 ? driver.put(key, bytes("x"), { signal }) : driver.write(key, source("x"), { signal });
        const settled = write.catch((error: unknown) => ({ error }));
        // Not a wait for anything: the signal comes at another point of the request in each round.
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        abort();
        const answer = await settled;
        const there = await peek(driver, key);
        if (answer === "lost" || "etag" in answer) assert.ok(done(answer) && there === "x");
        else if (!isMaybe(answer.error)) assert.ok(there === undefined, "it failed, and was done");
      }
    },
  },
  {
    name: "a signal ends a write whose source keeps silent, and nothing is left",
    async run({ driver }) {
      const { signal, abort } = aborter();
      const { body, silent } = stuck();
      const write = refusal(driver.write("a", body, { signal }));
      await silent;
      abort();
      assert.ok(!isMaybe(await write));
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: "a signal ends reading",
    async run({ driver }) {
      done(await driver.put("a", patterned(8_000_000)));
      const { signal, abort } = aborter();
      const { body } = await opened(driver.read("a", { signal }));
      const reading = (async () => {
        for await (const piece of body) {
          assert.ok(piece.length < 8_000_000, "all of it in one piece");
          abort();
        }
      })();
      await refusal(reading);
      assert.equal((await found(driver, "a")).body.length, 8_000_000);
    },
  },
  {
    name: "a signal that aborts afterwards changes nothing",
    async run({ driver }) {
      const { signal, abort } = aborter();
      done(await driver.put("a", bytes("one"), { signal }));
      assert.equal((await drain(await opened(driver.read("a", { signal })))).length, 3);
      abort();
      await expectText(driver, "a", "one");
    },
  },
  {
    name: "a closed driver refuses everything, and may be closed again",
    async run({ driver }) {
      await create(driver, "a", "one");
      await driver.close();
      for (const request of Object.values(requests)) await refusal(request(driver));
      await driver.close();
    },
  },
  {
    name: "closing ends what is under way",
    async run({ driver }) {
      done(await driver.put("a", patterned(8_000_000)));
      const { body } = await opened(driver.read("a"));
      const iterator = body[Symbol.asyncIterator]();
      await iterator.next();
      const idle = await opened(driver.read("a"));
      const { body: endless, silent } = stuck();
      const write = refusal(driver.write("b", endless));
      await silent;
      const closed = driver.close();
      await write;
      await closed;
      await refusal(
        (async () => {
          while (!(await iterator.next()).done);
        })(),
      );
      await refusal(drain(idle));
    },
  },
  {
    name: "what a closed driver left undone is not there, and what it did is",
    needsTwo: true,
    async run({ driver, reopen }) {
      await create(driver, "a", "one");
      const { body, silent } = stuck();
      const write = refusal(driver.write("b", body));
      await silent;
      await driver.close();
      await write;
      const other = await reopen();
      assert.deepEqual(await keysOf(other), ["a"]);
      await expectText(other, "a", "one");
    },
  },
];

function aborter(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error("the caller has had enough")) };
}
