/** `flame.map` over everything that can be iterated, and everything that can end it. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { AbortError, CallTimeoutError, CaptureError, context, flame, live } from "tinderbox";
import { place } from "../../../src/context.ts";
import { until } from "../../harness/until.ts";
import type { Case } from "../case.ts";

async function all<T>(results: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const result of results) found.push(result);
  return found;
}

async function failure(results: AsyncIterable<unknown>): Promise<{ readonly before: unknown[]; readonly error: unknown }> {
  const before: unknown[] = [];
  try {
    for await (const result of results) before.push(result);
  } catch (error) {
    return { before, error };
  }
  throw new Error(`Cannot see the map fail: it gave ${JSON.stringify(before)}`);
}

/** Counts what was taken from it, and whether it was closed. */
function numbers(end: number) {
  const state = { taken: 0, closed: 0 };
  function* generate(): Generator<number, void, undefined> {
    try {
      while (state.taken < end) yield state.taken++;
    } finally {
      state.closed++;
    }
  }
  return { state, items: generate() };
}

/** Resolves when the signal has fired, which may have been before. */
async function abortOf(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
}

/** Live values that this side has of the other. */
function borrowed(): number {
  const { exchanges } = place as { readonly exchanges: Iterable<{ counts(): object }> };
  return [...exchanges].reduce((sum, exchange) => sum + (exchange.counts() as { borrowed: number }).borrowed, 0);
}

function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, pass: live(() => promise) };
}

export const cases: readonly Case[] = [
  {
    name: "an item whose stream has begun is not tried again",
    async run({ pool }) {
      const item = async function* () {
        yield 1;
        yield 2;
      };
      const results = flame.map(
        [item()],
        async (numbers, { runner: { attempt } }) => {
          for await (const n of numbers) throw new Error(`attempt ${attempt} at ${n}`);
          return "empty";
        },
        { pool, retries: 1 },
      );
      await assert.rejects(results.next(), { message: "attempt 0 at 1" });
    },
  },
  {
    name: "maps arrays, other iterables and asynchronous ones, of no item and of many, in their order",
    async run({ pool }) {
      const double = (n: number): number => n * 2;
      const many = Array.from({ length: 2_000 }, (_, n) => n);
      const doubled = many.map(double);
      async function* later(): AsyncGenerator<number, void, undefined> {
        for (const n of many) {
          if (n % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
          yield n;
        }
      }
      assert.deepEqual(await all(flame.map([], double, { pool })), []);
      assert.deepEqual(await all(flame.map(many, double, { pool })), doubled);
      assert.deepEqual(await all(flame.map(new Set(many), double, { pool })), doubled);
      assert.deepEqual(await all(flame.map(numbers(2_000).items, double, { pool })), doubled);
      assert.deepEqual(await all(flame.map(later(), double, { pool })), doubled);
      assert.deepEqual(await all(flame.map("abc", (letter) => letter.toUpperCase(), { pool })), ["A", "B", "C"]);
    },
  },
  {
    name: "gives results in order also when later ones are there first, and as they come when that is wanted",
    async run({ pool }) {
      const { open, pass } = gate();
      const slow = async (n: number): Promise<number> => {
        if (n === 0) await pass();
        return n;
      };
      const first = flame.map([0, 1, 2, 3], slow, { pool, ordered: false });
      const seen = [(await first.next()).value, (await first.next()).value, (await first.next()).value];
      open();
      assert.deepEqual([...seen, (await first.next()).value, (await first.next()).done], [1, 2, 3, 0, true]);
      const second = gate();
      const { pass: passSecond } = second;
      const openSecond = live(second.open);
      const results = flame.map(
        [0, 1, 2, 3],
        async (n) => {
          if (n === 0) await passSecond();
          else await openSecond();
          return n;
        },
        { pool },
      );
      assert.deepEqual(await all(results), [0, 1, 2, 3]);
    },
  },
  {
    name: "copies what the function captures when it is called, and each item when it is taken",
    async run({ pool }) {
      let factor = 10;
      const results = flame.map([1, 2], (n) => n * factor, { pool });
      factor = 0;
      assert.deepEqual([await all(results), factor], [[10, 20], 0]);
      const reused = { n: 0 };
      function* same(): Generator<{ n: number }, void, undefined> {
        for (reused.n = 0; reused.n < 300; reused.n++) yield reused;
      }
      const found = await all(flame.map(same(), ({ n }) => n, { pool }));
      assert.deepEqual(
        found,
        Array.from({ length: 300 }, (_, n) => n),
      );
    },
  },
  {
    name: "does nothing before the first result is asked for, and reads ahead no further than a window",
    async run({ pool }) {
      const { state, items } = numbers(1_000_000);
      const unread = flame.map(items, (n) => n, { pool });
      await unread.return(undefined);
      assert.deepEqual(state, { taken: 0, closed: 0 });
      assert.deepEqual(await unread.next(), { done: true, value: undefined });

      const slow = numbers(1_000_000);
      const { open, pass } = gate();
      const results = flame.map(
        slow.items,
        async (n) => {
          await pass();
          return n;
        },
        { pool },
      );
      const first = results.next();
      await until("both slots are busy", () => pool.stats().slots.busy === 2);
      assert.equal(slow.state.taken, 2);
      open();
      assert.equal((await first).value, 0);
      let ahead = 0;
      await until("the source is left alone", async () => {
        const before = slow.state.taken;
        await pool.drain();
        await flame(() => {}, { pool });
        ahead = slow.state.taken;
        return ahead === before;
      });
      assert.ok(ahead <= 2 * 2 * 256 + 1, `${ahead} were taken`);
      await results.return(undefined);
      assert.deepEqual([slow.state.closed, slow.state.taken], [1, ahead]);
    },
  },
  {
    name: "a source that is slow to give an item does not keep those from the runners that it has given",
    async run({ pool }) {
      let taken = 0;
      function* slow(): Generator<number, void, undefined> {
        for (; taken < 50; taken++) {
          const end = performance.now() + 20;
          while (performance.now() < end);
          yield taken;
        }
      }
      for await (const n of flame.map(slow(), (n) => n, { pool, concurrency: 50 })) {
        assert.equal(n, 0);
        break;
      }
      assert.ok(taken < 25, `${taken} were taken`);
    },
  },
  {
    name: "a break closes the source, aborts what runs and frees the slots",
    async run({ pool }) {
      const { state, items } = numbers(100);
      const aborted: number[] = [];
      const tell = live((n: number) => void aborted.push(n));
      const running = gate();
      const ready = live(running.open);
      const results = flame.map(
        items,
        async (n, { signal }) => {
          if (n === 0) return n;
          void ready();
          await abortOf(signal);
          await tell(n);
          return n;
        },
        { pool },
      );
      for await (const n of results) {
        assert.equal(n, 0);
        await running.pass();
        break;
      }
      assert.equal(state.closed, 1);
      await pool.drain();
      assert.deepEqual(await results.next(), { done: true, value: undefined });
      assert.equal(await flame(() => "free", { pool }), "free");
    },
  },
  {
    name: "return() is heard while a result is waited for",
    async run({ pool }) {
      const running = gate();
      const ready = live(running.open);
      const results = flame.map(
        [1],
        async (_, { signal }) => {
          void ready();
          await abortOf(signal);
        },
        { pool },
      );
      const next = results.next();
      await running.pass();
      assert.deepEqual(await results.return(undefined), { done: true, value: undefined });
      assert.deepEqual(await next, { done: true, value: undefined });
    },
  },
  {
    name: "the first failure is thrown, cancels the rest and closes the source",
    async run({ pool }) {
      const { state, items } = numbers(1_000_000);
      const running = gate();
      const { pass } = running;
      const started = live(running.open);
      const results = flame.map(
        items,
        async (n, { signal }) => {
          if (n === 3) {
            await pass();
            throw new RangeError("three");
          }
          if (n < 3) return n;
          void started();
          await abortOf(signal);
            return n;
        },
        { pool },
      );
      const { before, error } = await failure(results);
      assert.deepEqual(before, [0, 1, 2]);
      assert.ok(error instanceof RangeError && error.message === "three");
      assert.equal(state.closed, 1);
      assert.deepEqual(await results.next(), { done: true, value: undefined });
      await pool.drain();
    },
  },
  {
    name: "a consumer who leaves hears of no failure that came meanwhile",
    async run({ pool }) {
      const { state, items } = numbers(100);
      const results = flame.map(
        items,
        (n) => {
          if (n === 1) throw new RangeError("one");
          return n;
        },
        { pool },
      );
      assert.deepEqual(await results.next(), { done: false, value: 0 });
      await until("the failure", () => state.closed === 1);
      assert.deepEqual(await results.return(undefined), { done: true, value: undefined });
      assert.deepEqual(await results.next(), { done: true, value: undefined });
    },
  },
  {
    name: "with settle failures are results, with index and item",
    async run({ pool }) {
      const results = flame.map(
        ["a", "b", "c"],
        (word) => {
          if (word === "b") throw new RangeError(word);
          return word.toUpperCase();
        },
        { pool, settle: true },
      );
      const found = await all(results);
      const [first, second, third] = found;
      assert.deepEqual(first, { status: "fulfilled", value: "A", index: 0, item: "a" });
      assert.ok(second?.status === "rejected" && second.reason instanceof RangeError);
      assert.deepEqual([second.index, second.item, third?.status], [1, "b", "fulfilled"]);
    },
  },
  {
    name: "a source that throws ends the map with its error, behind the results of the items before",
    async run({ pool }) {
      function* failing(): Generator<number, void, undefined> {
        yield* [1, 2, 3];
        throw new RangeError("source");
      }
      async function* failingLater(): AsyncGenerator<number, void, undefined> {
        yield* failing();
      }
      for (const settle of [true, false]) {
        for (const items of [failing(), failingLater()]) {
          const { before, error } = await failure(flame.map(items, (n) => n, { pool, settle }));
          assert.equal(before.length, 3);
          assert.equal((error as Error).message, "source");
        }
      }
      const { error } = await failure(flame.map(failing(), (n) => n, { pool, ordered: false }));
      assert.equal((error as Error).message, "source");
      await pool.drain();
    },
  },
  {
    name: "a signal ends it at once with AbortError, before it begins and in the middle",
    async run({ pool }) {
      const { state, items } = numbers(10);
      const early = await failure(flame.map(items, (n) => n, { pool, signal: AbortSignal.abort("early") }));
      assert.ok(early.error instanceof AbortError && early.error.cause === "early");
      assert.equal(state.taken, 0);
      const controller = new AbortController();
      const stop = live(() => controller.abort("enough"));
      const { before, error } = await failure(
        flame.map(
          [1, 2, 3, 4],
          async (n, { signal }) => {
            if (n < 3) return n;
            void stop();
            await abortOf(signal);
            return n;
          },
          { pool, signal: controller.signal },
        ),
      );
      assert.ok(error instanceof AbortError && error.cause === "enough");
      assert.ok(before.length <= 2);
      await pool.drain();
    },
  },
  {
    name: "runs no more items at a time than concurrency says",
    async run({ pool }) {
      let [now, most] = [0, 0];
      const begin = live(() => void (most = Math.max(most, ++now)));
      const end = live(() => void now--);
      const work = async (n: number): Promise<number> => {
        await begin();
        await end();
        return n;
      };
      await all(flame.map(numbers(50).items, work, { pool, concurrency: 1 }));
      assert.equal(most, 1);
      await all(flame.map(numbers(50).items, work, { pool }));
      assert.equal(most, 2);
      assert.equal((await all(flame.map(numbers(50).items, work, { pool, concurrency: 100 }))).length, 50);
      assert.equal(most, 2);
    },
  },
  {
    name: "results do not wait behind a slow item of their batch, nor do items that come after it",
    async run({ pool }) {
      const { open, pass } = gate();
      const results = flame.map(
        numbers(3_000).items,
        // Quick ones first, so that batches grow.
        async (n) => {
          if (n === 1_500) await pass();
          return n;
        },
        { pool, ordered: false },
      );
      const before: number[] = [];
      for await (const n of results) {
        before.push(n);
        if (before.length === 2_999) open();
      }
      assert.equal(before.at(-1), 1_500);
      assert.equal(new Set(before).size, 3_000);
    },
  },
  {
    name: "each item has a context of its own: folder, signal, attempt",
    async run({ pool }) {
      const found = await all(
        flame.map(
          numbers(40).items,
          async (_, given) => {
            if (given !== context()) throw new Error("another context");
            return [await given.dir(), given.runner.attempt] as const;
          },
          { pool },
        ),
      );
      assert.equal(new Set(found.map(([folder]) => folder)).size, 40);
      assert.deepEqual(new Set(found.map(([, attempt]) => attempt)), new Set([0]));
    },
  },
  {
    name: "retries are for each item, which then goes alone",
    async run({ pool }) {
      const asked: string[] = [];
      const results = flame.map(
        numbers(600).items,
        (n, { runner }) => {
          if (n % 200 === 7 && runner.attempt < 2) throw new RangeError(`${n} at ${runner.attempt}`);
          return [n, runner.attempt] as const;
        },
        { pool, retries: { limit: 2, delay: 1, when: (error) => asked.push((error as Error).message) > 0 } },
      );
      const found = await all(results);
      assert.deepEqual(
        found.map(([n]) => n),
        Array.from({ length: 600 }, (_, n) => n),
      );
      assert.deepEqual(
        found.filter(([, attempt]) => attempt > 0).map(([n, attempt]) => `${n}: ${attempt}`),
        ["7: 2", "207: 2", "407: 2"],
      );
      assert.equal(asked.length, 6);
      const { error } = await failure(
        flame.map(
          [1],
          (_, { runner }) => {
            throw new RangeError(`attempt ${runner.attempt}`);
          },
          { pool, retries: 1 },
        ),
      );
      assert.equal((error as Error).message, "attempt 1");
    },
  },
  {
    name: "an item that runs out of time takes no other along",
    async run({ pool }) {
      const found = await all(
        flame.map(
          numbers(2_000).items,
          async (n, { signal }) => {
            if (n === 1_000) await abortOf(signal);
            return n;
          },
          { pool, settle: true, timeout: 300 },
        ),
      );
      const failed = found.filter(({ status }) => status === "rejected");
      assert.deepEqual(
        failed.map(({ index }) => index),
        [1_000],
      );
      assert.ok(failed[0]?.status === "rejected" && failed[0].reason instanceof CallTimeoutError);
      assert.equal(found.length, 2_000);
      await pool.drain();
    },
  },
  {
    name: "functions in items are live, and so are streams, wherever they come in the source",
    async run({ pool }) {
      const items = Array.from({ length: 40 }, (_, n) => ({ n, ask: async (more: number) => n * 100 + more }));
      const found = await all(flame.map(items, async ({ n, ask }) => ask(n), { pool }));
      assert.deepEqual(
        found,
        items.map(({ n }) => n * 101),
      );
      const streams = ["a", "b"].map(
        (text) =>
          new ReadableStream<string>({
            start(controller) {
              controller.enqueue(text);
              controller.close();
            },
          }),
      );
      const read = async (stream: ReadableStream<string>): Promise<string> => {
        let text = "";
        for await (const part of stream) text += part;
        return text;
      };
      assert.deepEqual(await all(flame.map(streams, read, { pool })), ["a", "b"]);
    },
  },
  {
    name: "live results can be read to their end, one after another",
    async run({ pool }) {
      const found: number[] = [];
      const results = flame.map(
        [1, 2, 3],
        (n) =>
          (async function* () {
            for (let i = 0; i < n; i++) yield n * 10 + i;
          })(),
        { pool },
      );
      for await (const each of results) for await (const n of each) found.push(n);
      assert.deepEqual(found, [10, 20, 21, 30, 31, 32]);
      // The signal of the map is theirs as well, also when the map is over.
      const controller = new AbortController();
      const endless = flame.map(
        [1],
        () =>
          (async function* () {
            for (let n = 0; ; n++) yield n;
          })(),
        { pool, signal: controller.signal },
      );
      const { value: counting } = await endless.next();
      assert.equal((await endless.next()).done, true);
      assert.equal((await counting!.next()).value, 0);
      controller.abort("enough");
      await assert.rejects(async () => {
        for (;;) await counting!.next();
      }, AbortError);
      // Those that nobody has seen are let go.
      const unseen = flame.map([1, 2, 3], () => async () => 1, { pool });
      const { value } = await unseen.next();
      await unseen.return(undefined);
      assert.equal(await value!(), 1);
      (value as unknown as Disposable)[Symbol.dispose]();
      const { pass } = gate();
      const waiting = flame.map(
        [1, 2],
        async (n) => {
          if (n === 1) await pass();
          return async () => n;
        },
        { pool },
      );
      void waiting.next();
      await until("the second one is there", () => borrowed() === 1);
      await waiting.return(undefined);
    },
  },
  {
    name: "large values and large results travel beside each other",
    async run({ pool }) {
      const items = Array.from({ length: 12 }, (_, n) => new Uint8Array(n % 3 === 0 ? 300_000 : 10).fill(n));
      const found = await all(flame.map(items, (bytes) => bytes.map((byte) => byte + 1), { pool }));
      assert.deepEqual(
        found.map((bytes) => [bytes.length, bytes[0]]),
        items.map((bytes, n) => [bytes.length, n + 1]),
      );
      const texts = await all(flame.map(numbers(400).items, (n) => `${n} `.repeat(5_000), { pool }));
      assert.ok(texts.every((text, n) => text === `${n} `.repeat(5_000)));
      const blobs = await all(flame.map([new Blob(["one"]), new Blob(["two"])], (blob) => blob.text(), { pool }));
      assert.deepEqual(blobs, ["one", "two"]);
    },
  },
  {
    name: "what cannot travel fails its own item: item, result and error",
    async run({ pool }) {
      const items: unknown[] = [1, new WeakMap(), 2];
      const { before, error } = await failure(flame.map(items, (item) => item, { pool }));
      assert.deepEqual(before, []);
      assert.ok(error instanceof CaptureError && /Cannot send item: it is a WeakMap/.test(error.message), String(error));
      const settled = await all(flame.map(items, (item) => item, { pool, settle: true }));
      assert.deepEqual(
        settled.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled"],
      );
      const results = await all(
        flame.map([1, 2, 3], (n) => (n === 2 ? new WeakMap() : n), { pool, settle: true, concurrency: 1 }),
      );
      assert.deepEqual(
        results.map(({ status }) => status),
        ["fulfilled", "rejected", "fulfilled"],
      );
    },
  },
  {
    name: "source, progress and hooks run in the asynchronous context of the caller",
    async run({ pool }) {
      const storage = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      async function* later(): AsyncGenerator<number, void, undefined> {
        for (let n = 0; n < 3; n++) {
          seen.push(storage.getStore());
          yield n;
        }
      }
      function* at(): Generator<number, void, undefined> {
        for (let n = 0; n < 3; n++) {
          seen.push(storage.getStore());
          yield n;
        }
      }
      const options = {
        pool,
        retries: { limit: 1, when: () => seen.push(storage.getStore()) > 0 },
        onProgress: () => void seen.push(storage.getStore()),
      };
      const work = (n: number, { progress, runner }: ReturnType<typeof context>): number => {
        progress(n);
        if (runner.attempt === 0) throw new Error("again");
        return n;
      };
      const [first, second] = storage.run("mine", () => [
        flame.map(later(), work, options),
        flame.map(at(), work, options),
      ]);
      assert.deepEqual(await all(first!), [0, 1, 2]);
      assert.deepEqual(await all(second!), [0, 1, 2]);
      assert.equal(seen.length, 2 * (3 + 3 + 6));
      assert.deepEqual(new Set(seen), new Set(["mine"]));
    },
  },
];
