/** How a call whose result is a generator ends before its time. */
import assert from "node:assert/strict";
import { AbortError, CallTimeoutError, PoolClosedError, RunnerLostError, flame, live } from "tinderbox";
import { until } from "../../harness/until.ts";
import type { Case } from "../case.ts";
import { collectGarbage } from "../garbage.ts";
import { failure, gather } from "../gather.ts";
import { note } from "../notebook.ts";
import { noted } from "../notes.ts";
import { ownPool } from "../own-pool.ts";

export const cases: readonly Case[] = [
  {
    name: "abort in the middle: the reader is told at once, the generator ends, the slot is free",
    async run({ pool }) {
      const stop = new AbortController();
      const numbers = await flame(
        async function* ({ signal }) {
          try {
            for (let n = 0; !signal.aborted; n++) yield n;
          } finally {
            note("aborted in the middle");
          }
        },
        { pool, signal: stop.signal },
      );
      assert.equal((await numbers.next()).value, 0);
      await flame(() => 0, { pool });
      stop.abort(new Error("enough"));
      // Hundreds of items are here already: they are for nobody.
      const error = await failure(numbers.next());
      assert.ok(AbortError.is(error));
      assert.equal((error.cause as Error).message, "enough");
      assert.deepEqual(await numbers.next(), { done: true, value: undefined });
      await noted("aborted in the middle", pool);
    },
  },
  {
    name: "abort while the reader waits: it rejects, and the generator sees its signal",
    async run({ pool }) {
      const stop = new AbortController();
      const numbers = await flame(
        async function* ({ signal }) {
          yield "ready";
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          note("signal seen");
        },
        { pool, signal: stop.signal },
      );
      await numbers.next();
      const waiting = failure(numbers.next());
      stop.abort();
      assert.ok(AbortError.is(await waiting));
      await noted("signal seen", pool);
    },
  },
  {
    name: "abort before the generator is read: nothing of it has run, and the slot is free",
    async run({ pool }) {
      const stop = new AbortController();
      const numbers = await flame(
        async function* () {
          note("never");
          yield 1;
        },
        { pool, signal: stop.signal },
      );
      stop.abort();
      assert.ok(AbortError.is(await failure(numbers.next())));
      await until("a free slot", () => pool.stats().slots.busy === 0);
    },
  },
  {
    name: "abort while the closure makes its generator: what comes then is let go",
    async run({ pool }) {
      const stop = new AbortController();
      const started = live(() => stop.abort());
      const call = flame(
        async ({ signal }) => {
          const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
          void started();
          await aborted;
          return (async function* () {
            yield 1;
          })();
        },
        { pool, signal: stop.signal },
      );
      assert.ok(AbortError.is(await failure(call)));
      // The tables are empty after the case, on both sides.
    },
  },
  {
    name: "abort while the closure waits for this side: what it waits for fails there",
    async run({ pool }) {
      const stop = new AbortController();
      const never = live(() => {
        stop.abort();
        return new Promise<void>(() => {});
      });
      const numbers = (async function* () {
        yield 1;
        await new Promise(() => {});
      })();
      const call = flame(
        async () => {
          const reading = (async () => {
            for await (const _ of numbers);
          })();
          const ends = await Promise.allSettled([never(), reading]);
          for (const end of ends) note(`${end.status}: ${(end as { reason?: Error }).reason?.name}`);
        },
        { pool, signal: stop.signal },
      );
      assert.ok(AbortError.is(await failure(call)));
      await noted("rejected: AbortError", pool);
      // Nothing is left for which the runner would have to be given up.
    },
  },
  {
    name: "timeout stands still while the generator waits for its reader",
    async run({ pool }) {
      const numbers = await flame(
        async function* () {
          for (let n = 0; n < 3; n++) yield new Uint8Array(900_000).fill(n);
        },
        { pool, timeout: "400ms" },
      );
      const seen: unknown[] = [];
      for await (const bytes of numbers) {
        seen.push(bytes[0]);
        // Time itself is what this is about.
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      assert.deepEqual(seen, [0, 1, 2]);
    },
  },
  {
    name: "timeout ends a generator that stalls, after the items that came",
    async run({ pool }) {
      const { items, error } = await gather(
        flame(
          async function* ({ signal }) {
            yield 1;
            yield 2;
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
            note("timed out");
          },
          { pool, timeout: "300ms", name: "stalling" },
        ),
      );
      assert.deepEqual(items, [1, 2]);
      assert.ok(CallTimeoutError.is(error));
      assert.match(String(error), /call "stalling": it ran for 300 ms/);
      await noted("timed out", pool);
    },
  },
  {
    name: "timeout counts what the generator takes between items all together",
    async run({ pool }) {
      const { items, error } = await gather(
        flame(
          async function* () {
            for (let n = 0; n < 50; n++) {
              yield n;
              await new Promise((resolve) => setTimeout(resolve, 60));
            }
          },
          { pool, timeout: "400ms" },
        ),
      );
      assert.ok(items.length > 1 && items.length < 15, `${items.length} items`);
      assert.ok(CallTimeoutError.is(error));
    },
  },
  {
    name: "timeout ends a generator whose finally never ends, after a break",
    timeout: 30_000,
    run: () =>
      ownPool({}, async (own) => {
        const numbers = flame(
          async function* () {
            try {
              for (let n = 0; n < 10_000_000; n++) yield n;
            } finally {
              await new Promise(() => {});
            }
          },
          { pool: own, timeout: "500ms" },
        );
        const loop = (async () => {
          for await (const n of numbers) if (n === 5) break;
        })();
        assert.ok(CallTimeoutError.is(await failure(loop)));
      }),
  },
  {
    name: "pool.close in the middle waits for the reader, and then ends with PoolClosedError",
    run: () =>
      ownPool({ drainTimeout: "300ms" }, async (own) => {
        const numbers = await flame(
          async function* ({ signal }) {
            for (let n = 0; n < 3; n++) yield n;
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          },
          { pool: own },
        );
        assert.equal((await numbers.next()).value, 0);
        const closed = own.close();
        assert.equal((await numbers.next()).value, 1);
        const { items, error } = await gather(numbers);
        assert.deepEqual(items, [2]);
        assert.ok(PoolClosedError.is(error));
        await closed;
      }),
  },
  {
    name: "drain waits for an open generator",
    run: () =>
      ownPool({}, async (own) => {
        const order: string[] = [];
        const numbers = await flame(
          async function* () {
            for (let n = 0; n < 1_000_000; n++) yield n;
          },
          { pool: own },
        );
        await numbers.next();
        const drained = own.drain().then(() => void order.push("drained"));
        for (let n = 0; n < 2_000; n++) await numbers.next();
        order.push("read");
        await numbers.return(undefined);
        await drained;
        assert.deepEqual(order, ["read", "drained"]);
      }),
  },
  {
    name: "a runner that is killed: RunnerLostError after the items that came, and the next call runs elsewhere",
    run: () =>
      ownPool({}, async (own) => {
        let attempts = 0;
        const attempt = live(() => void attempts++);
        const { items, error } = await gather(
          flame(
            async function* () {
              await attempt();
              yield 1;
              yield 2;
              await new Promise((resolve) => setImmediate(resolve));
              process.kill(process.pid, "SIGKILL");
            },
            { pool: own, idempotent: true, retries: 3 },
          ),
        );
        assert.deepEqual(items, [1, 2]);
        assert.ok(RunnerLostError.is(error));
        assert.equal(error?.["signal"], "SIGKILL");
        assert.equal(attempts, 1);
        assert.equal(await flame(() => 1, { pool: own }), 1);
      }),
  },
  {
    name: "retries do not repeat a generator that fails while it is read",
    async run({ pool }) {
      let attempts = 0;
      const attempt = live(() => void attempts++);
      const { items, error } = await gather(
        flame(
          async function* () {
            await attempt();
            yield 1;
            throw new RangeError("no more");
          },
          { pool, retries: 3 },
        ),
      );
      assert.deepEqual(items, [1]);
      assert.ok(error instanceof RangeError);
      assert.equal(attempts, 1);
    },
  },
  {
    name: "retries repeat a closure that fails before it has made its generator",
    async run({ pool }) {
      const { items } = await gather(
        flame(
          ({ runner }) => {
            if (runner.attempt < 2) throw new RangeError("not yet");
            return (async function* () {
              yield runner.attempt;
            })();
          },
          { pool, retries: 3 },
        ),
      );
      assert.deepEqual(items, [2]);
    },
  },
  {
    name: "a generator that nobody reads and nobody holds is ended when it is garbage",
    async run({ pool }) {
      await (async () => {
        const numbers = await flame(
          async function* () {
            yield 1;
          },
          { pool },
        );
        assert.equal(typeof numbers.next, "function");
      })();
      await until("a free slot", async () => {
        await collectGarbage();
        return pool.stats().slots.busy === 0;
      });
    },
  },
  {
    name: "a call that nobody awaits or iterates is ended when it is garbage",
    async run({ pool }) {
      let begun = 0;
      const begin = live(() => void begun++);
      (() => {
        void flame(
          async () => {
            await begin();
            return (async function* () {
              yield 1;
            })();
          },
          { pool },
        );
      })();
      await until("the call on its runner", () => begun === 1);
      await until("a free slot", async () => {
        await collectGarbage();
        return pool.stats().slots.busy === 0;
      });
    },
  },
  {
    name: "a generator that is dropped half read is ended, and its finally runs",
    async run({ pool }) {
      await (async () => {
        const numbers = await flame(
          async function* () {
            try {
              for (let n = 0; n < 1_000_000_000; n++) yield n;
            } finally {
              note("dropped half read");
            }
          },
          { pool },
        );
        assert.equal((await numbers.next()).value, 0);
      })();
      await until("a free slot", async () => {
        await collectGarbage();
        return pool.stats().slots.busy === 0;
      });
      await noted("dropped half read", pool);
    },
  },
  {
    name: "a reader that waits keeps its generator, whoever else has forgotten it",
    async run({ pool }) {
      let go: (() => void) | undefined;
      const wait = live(() => new Promise<void>((resolve) => (go = resolve)));
      const first = (
        await flame(
          async function* () {
            await wait();
            yield "late";
          },
          { pool },
        )
      ).next();
      await until("the generator at its gate", () => go);
      for (let n = 0; n < 5; n++) await collectGarbage();
      go!();
      assert.deepEqual(await first, { done: false, value: "late" });
      await until("a free slot", async () => {
        await collectGarbage();
        return pool.stats().slots.busy === 0;
      });
    },
  },
];
