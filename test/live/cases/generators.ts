/** Generators as results: what their reader sees is what a local generator would show. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { until } from "../../harness/until.ts";
import { CaptureError, context, flame, live } from "tinderbox";
import type { Case } from "../case.ts";
import { failure, gate, gather } from "../gather.ts";

/** A class that the runner gets as code, and whose instances come back as its own. */
class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
  double(): number {
    return this.x * 2;
  }
}

export const cases: readonly Case[] = [
  {
    name: "a synchronous generator is iterated like an asynchronous one, and the promises that it yields are awaited",
    async run({ pool }) {
      const { items } = await gather(
        flame(
          function* () {
            yield 1;
            yield Promise.resolve(2);
            yield* [3, 4];
          },
          { pool },
        ),
      );
      assert.deepEqual(items, [1, 2, 3, 4]);
    },
  },
  {
    name: "an item arrives while the generator computes the next one without a pause",
    async run({ pool }) {
      const stamps = await flame(
        function* () {
          yield process.hrtime.bigint();
          const end = process.hrtime.bigint() + 1_500_000_000n;
          while (process.hrtime.bigint() < end);
          yield process.hrtime.bigint();
        },
        { pool },
      );
      const made = (await stamps.next()).value as bigint;
      const seen = process.hrtime.bigint();
      const next = (await stamps.next()).value as bigint;
      // One clock for all processes of a machine.
      assert.ok(seen < next, "the first item came before the second was made");
      assert.ok(seen - made < 1_000_000_000n, `the first item was ${seen - made} ns under way`);
      assert.equal((await stamps.next()).done, true);
    },
  },
  {
    name: "nothing runs before the first next(), not even when the generator has arrived",
    async run({ pool }) {
      let begun = 0;
      const begin = live(() => void begun++);
      const numbers = await flame(
        async function* () {
          await begin();
          yield 1;
        },
        { pool },
      );
      // The runner has answered a later call on the same connection: a begun generator would have been heard of.
      await flame(() => 0, { pool });
      assert.equal(begun, 0);
      assert.deepEqual(await numbers.next(), { done: false, value: 1 });
      assert.equal(begun, 1);
      assert.deepEqual(await numbers.next(), { done: true, value: undefined });
    },
  },
  {
    name: "break reaches finally, and the loop goes on only after it",
    async run({ pool }) {
      const log: string[] = [];
      const note = live((text: string) => void log.push(text));
      const numbers = flame(
        async function* () {
          try {
            for (let n = 0; ; n++) yield n;
          } finally {
            await note("finally");
          }
        },
        { pool },
      );
      for await (const n of numbers) if (n === 3) break;
      log.push("after");
      assert.deepEqual(log, ["finally", "after"]);
    },
  },
  {
    name: "break aborts the signal of the context, so that a generator that waits can end",
    async run({ pool }) {
      const numbers = flame(
        async function* ({ signal }) {
          yield 1;
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
        },
        { pool },
      );
      for await (const n of numbers) {
        assert.equal(n, 1);
        break;
      }
    },
  },
  {
    name: "a generator that ends by itself does not see its signal abort",
    async run({ pool }) {
      let aborted: boolean | undefined;
      const tell = live((is: boolean) => void (aborted = is));
      const seen = await gather(
        flame(
          async function* ({ signal }) {
            yield signal.aborted;
            await tell(signal.aborted);
          },
          { pool },
        ),
      );
      assert.deepEqual([seen.items, aborted], [[false], false]);
    },
  },
  {
    name: "return(value) gives what the generator makes of it",
    async run({ pool }) {
      const numbers = await flame(
        async function* (): AsyncGenerator<number, string, undefined> {
          try {
            for (;;) yield 1;
          } finally {
            yield 2;
            yield 3;
          }
        },
        { pool },
      );
      assert.deepEqual(await numbers.next(), { done: false, value: 1 });
      assert.deepEqual(await numbers.return("mine"), { done: false, value: 2 });
      assert.deepEqual(await numbers.next(), { done: false, value: 3 });
      assert.deepEqual(await numbers.next(), { done: true, value: "mine" });
      assert.deepEqual(await numbers.next(), { done: true, value: undefined });
      assert.deepEqual(await numbers.return("late"), { done: true, value: "late" });
    },
  },
  {
    name: "return before the first next() ends it without running it",
    async run({ pool }) {
      let begun = 0;
      const begin = live(() => void begun++);
      const make = async function* (): AsyncGenerator<number, string, undefined> {
        await begin();
        yield 1;
        return "";
      };
      const numbers = await flame(make, { pool });
      assert.deepEqual(await numbers.return("early"), { done: true, value: "early" });
      assert.deepEqual(await numbers.next(), { done: true, value: undefined });
      assert.equal(begun, 0);
      const others = await flame(make, { pool });
      assert.equal((await failure(others.throw(new RangeError("early")))).message, "early");
      assert.equal(begun, 0);
    },
  },
  {
    name: "throw(error) is thrown at the yield, caught there, and the generator goes on",
    async run({ pool }) {
      const numbers = await flame(
        async function* () {
          let caught = "";
          while (caught !== "Error: last") {
            try {
              for (;;) yield caught;
            } catch (error) {
              caught = String(error);
              yield `caught ${caught}`;
            }
          }
        },
        { pool },
      );
      assert.deepEqual(await numbers.next(), { done: false, value: "" });
      assert.deepEqual(await numbers.throw(new TypeError("mine")), { done: false, value: "caught TypeError: mine" });
      // What was made ahead of the error is gone, and nothing of what came after it.
      for (let n = 0; n < 5000; n++)
        assert.deepEqual(await numbers.next(), { done: false, value: "TypeError: mine" });
      assert.deepEqual(await numbers.throw(new Error("last")), { done: false, value: "caught Error: last" });
      assert.deepEqual(await numbers.next(), { done: true, value: undefined });
    },
  },
  {
    name: "throw(error) reaches a generator that is ahead at its very next yield",
    async run({ pool }) {
      const [first, second] = [gate(), gate()];
      const gates = [first.promise, second.promise];
      const step = live((made: number) => gates[made]);
      const numbers = await flame(
        async function* () {
          let made = 0;
          try {
            for (; made < 100_000; made++) {
              await step(made);
              yield made;
            }
          } catch {
            yield `caught after ${made}`;
          }
        },
        { pool },
      );
      first.resolve();
      assert.deepEqual(await numbers.next(), { done: false, value: 0 });
      const answer = numbers.throw(new Error("enough"));
      // Its message is on its way when a later one has been answered.
      await flame(() => 0, { pool });
      second.resolve();
      assert.deepEqual(await answer, { done: false, value: "caught after 1" });
      await numbers.return(undefined);
    },
  },
  {
    name: "throw(error) that is not caught comes back as the same kind of error",
    async run({ pool }) {
      const numbers = await flame(
        async function* () {
          for (;;) yield 1;
        },
        { pool },
      );
      await numbers.next();
      const mine = Object.assign(new RangeError("mine"), { code: "E_MINE" });
      const error = await failure(numbers.throw(mine));
      assert.ok(error instanceof RangeError);
      assert.equal(error["code"], "E_MINE");
      assert.deepEqual(await numbers.next(), { done: true, value: undefined });
    },
  },
  {
    name: "an error after items keeps the items, and its stack names the runner and the caller",
    async run({ pool }) {
      const { items, error } = await gather(
        flame(
          async function* failing() {
            yield 1;
            yield 2;
            throw Object.assign(new RangeError("third"), { n: 3 });
          },
          { pool },
        ),
      );
      assert.deepEqual(items, [1, 2]);
      assert.ok(error instanceof RangeError);
      assert.equal(error["n"], 3);
      assert.match(error.stack ?? "", /failing[^]*at flame \(runner live-\d+\)[^]*generators\.ts/);
    },
  },
  {
    name: "several next() at once are served in order, and return() waits its turn behind them",
    async run({ pool }) {
      const numbers = await flame(
        async function* (): AsyncGenerator<number, string, undefined> {
          for (let n = 1; ; n++) yield n;
        },
        { pool },
      );
      const steps = [numbers.next(), numbers.next(), numbers.return("left"), numbers.next()];
      assert.deepEqual(await Promise.all(steps), [
        { done: false, value: 1 },
        { done: false, value: 2 },
        { done: true, value: "left" },
        { done: true, value: undefined },
      ]);
    },
  },
  {
    name: "next() beyond the end: the return value comes once, then nothing",
    async run({ pool }) {
      const numbers = await flame(
        function* () {
          yield 1;
          return { list: [2] };
        },
        { pool },
      );
      const steps = await Promise.all([numbers.next(), numbers.next(), numbers.next()]);
      assert.deepEqual(steps, [
        { done: false, value: 1 },
        { done: true, value: { list: [2] } },
        { done: true, value: undefined },
      ]);
    },
  },
  {
    name: "a value for next() is refused: the generator is ahead of its reader",
    async run({ pool }) {
      const numbers = await flame(
        async function* () {
          yield 1;
        },
        { pool },
      );
      const next = numbers.next.bind(numbers) as (value?: unknown) => Promise<unknown>;
      assert.match((await failure(next(5))).message, /^Cannot pass a value to next\(\)/);
      assert.deepEqual(await numbers.next(), { done: false, value: 1 });
      await numbers.return(undefined);
    },
  },
  {
    name: "an item holds a function, which runs on the runner while the generator is open",
    async run({ pool }) {
      const { pid } = process;
      let last: ((m: number) => unknown) | undefined;
      for await (const { n, square } of flame(
        async function* () {
          for (let n = 2; n < 5; n++) yield { n, square: async (m: number) => [process.pid, n * m] as const };
        },
        { pool },
      )) {
        const [there, product] = await square(n);
        assert.equal(product, n * n);
        assert.notEqual(there, pid);
        last = square;
      }
      // What came through it ends with it: nobody has to wait for garbage.
      assert.equal((await failure(last!(1) as Promise<unknown>))["code"], "ERR_TINDERBOX_RELEASED");
    },
  },
  {
    name: "items may be generators themselves",
    async run({ pool }) {
      const rows: number[][] = [];
      for await (const row of flame(
        async function* () {
          for (let n = 0; n < 3; n++)
            yield (async function* () {
              yield n * 10;
              yield n * 10 + 1;
            })();
        },
        { pool },
      ))
        rows.push((await gather(row)).items);
      assert.deepEqual(rows, [
        [0, 1],
        [10, 11],
        [20, 21],
      ]);
    },
  },
  {
    name: "instances of a class of the file are items, and are instances here",
    async run({ pool }) {
      const { items } = await gather(
        flame(
          async function* () {
            yield new Point(4);
            yield { deep: [new Point(5)] };
          },
          { pool },
        ),
      );
      const [first, second] = items as [Point, { deep: Point[] }];
      assert.ok(first instanceof Point && second.deep[0] instanceof Point);
      assert.deepEqual([first.double(), second.deep[0].double()], [8, 10]);
    },
  },
  {
    name: "an item that cannot be sent: its reader learns the path, finally has run, the slot is free",
    async run({ pool }) {
      const log: string[] = [];
      const note = live((text: string) => void log.push(text));
      const { items, error } = await gather(
        flame(
          async function* () {
            try {
              yield 1;
              yield { deep: [new WeakMap()] } as unknown;
              yield 3;
            } finally {
              await note("finally");
            }
          },
          { pool },
        ),
      );
      assert.deepEqual(items, [1]);
      assert.ok(CaptureError.is(error));
      assert.deepEqual(error?.["path"], ["item", "deep", 0]);
      assert.deepEqual(log, ["finally"]);
    },
  },
  {
    name: "a return value that cannot be sent is an error, after the items",
    async run({ pool }) {
      const { items, error } = await gather(
        flame(
          async function* () {
            yield 1;
            return new WeakSet() as unknown;
          },
          { pool },
        ),
      );
      assert.deepEqual(items, [1]);
      assert.ok(CaptureError.is(error));
    },
  },
  {
    name: "a Blob is an item",
    async run({ pool }) {
      const { items } = await gather(
        flame(
          async function* () {
            yield new Blob(["first"]);
            yield new Blob(["x".repeat(100_000)]);
          },
          { pool },
        ),
      );
      assert.deepEqual(await Promise.all(items.map(async (blob) => (await blob.text()).length)), [5, 100_000]);
    },
  },
  {
    name: "a buffer that is yielded again and again arrives as it was each time",
    async run({ pool }) {
      const { items } = await gather(
        flame(
          async function* () {
            // More than a socket takes at once.
            const buffer = new Uint8Array(900_000);
            for (let n = 1; n <= 8; n++) yield buffer.fill(n);
          },
          { pool },
        ),
      );
      assert.deepEqual(
        items.map((bytes) => [bytes[0], bytes.at(-1)]),
        [1, 2, 3, 4, 5, 6, 7, 8].map((n) => [n, n]),
      );
    },
  },
  {
    name: "context() holds within the generator, with its folder until the end, its progress and its log",
    async run({ pool }) {
      const progress: unknown[] = [];
      const go = gate();
      const wait = live(() => go.promise);
      const folders = await flame(
        async function* ({ dir }) {
          yield await dir();
          await wait();
          context().progress("half");
          context().log("said from a generator");
          yield await context().dir();
        },
        { pool, onProgress: (value) => progress.push(value) },
      );
      const first = (await folders.next()).value as string;
      assert.ok(existsSync(first), "the folder is there while the generator is open");
      go.resolve();
      assert.equal((await folders.next()).value, first);
      await folders.next();
      assert.deepEqual(progress, ["half"]);
      // The runner has cleaned up when its slot is free again.
      await until("a free slot", () => pool.stats().slots.busy === 0);
      assert.ok(!existsSync(first), "the folder is gone");
    },
  },
  {
    name: "an open generator keeps its slot until its end",
    async run({ pool }) {
      const numbers = await flame(
        async function* () {
          while (!context().signal.aborted) yield 1;
        },
        { pool },
      );
      assert.equal(pool.stats().slots.busy, 1);
      await numbers.next();
      await flame(() => 0, { pool });
      assert.equal(pool.stats().slots.busy, 1);
      await numbers.return(undefined);
    },
  },
  {
    name: "Symbol.asyncDispose ends it, and finally has run",
    async run({ pool }) {
      const log: string[] = [];
      const note = live((text: string) => void log.push(text));
      const numbers = await flame(
        async function* () {
          try {
            yield 1;
            yield 2;
          } finally {
            await note("finally");
          }
        },
        { pool },
      );
      await numbers.next();
      await numbers[Symbol.asyncDispose]();
      assert.deepEqual(log, ["finally"]);
      assert.deepEqual(await numbers.next(), { done: true, value: undefined });
    },
  },
  {
    name: "what cannot be iterated says so",
    async run({ pool }) {
      const answer = flame(() => 42, { pool }) as Promise<number> & AsyncIterable<unknown>;
      const { error } = await gather(answer);
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /^Cannot iterate the result of a call: it is 42; await it/);
      assert.equal(await answer, 42);
    },
  },
  {
    name: "a failing closure is told to whoever iterates the call",
    async run({ pool }) {
      const fail = (): AsyncGenerator<number, void, undefined> => {
        throw new RangeError("no generator");
      };
      const { items, error } = await gather(flame(() => fail(), { pool }));
      assert.deepEqual(items, []);
      assert.ok(error instanceof RangeError);
    },
  },
  {
    name: "a generator in a result, beside data",
    async run({ pool }) {
      const { title, rows } = await flame(
        () => ({
          title: "rows",
          rows: (async function* () {
            yield 1;
            yield 2;
          })(),
        }),
        { pool },
      );
      assert.equal(title, "rows");
      assert.deepEqual((await gather(rows)).items, [1, 2]);
    },
  },
  {
    name: "a captured generator is read on the runner, and left at a break there",
    async run({ pool }) {
      const log: string[] = [];
      const numbers = (async function* () {
        try {
          for (let n = 1; ; n++) yield n;
        } finally {
          log.push("finally");
        }
      })();
      const sum = await flame(
        async () => {
          let all = 0;
          for await (const n of numbers) {
            if (n > 10) break;
            all += n;
          }
          return all;
        },
        { pool },
      );
      assert.equal(sum, 55);
      assert.deepEqual(log, ["finally"]);
    },
  },
  {
    name: "a captured generator that its closure leaves unread ends with the call, and its finally runs",
    async run({ pool }) {
      const ended = gate();
      const numbers = (async function* () {
        try {
          for (let n = 1; ; n++) {
            yield n;
            await null;
          }
        } finally {
          ended.resolve();
        }
      })();
      const first = await flame(async () => (await numbers.next()).value as number, { pool });
      assert.equal(first, 1);
      await ended.promise;
    },
  },
];
