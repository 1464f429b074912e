/** Functions that stay where they are, in both directions. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { type EventMap, RunnerLostError, events, flame, live } from "tinderbox";
import { until } from "../../harness/until.ts";
import type { Case } from "../case.ts";
import { collectGarbage } from "../garbage.ts";
import { failure, gate, gather, turn } from "../gather.ts";
import { note } from "../notebook.ts";
import { noted } from "../notes.ts";
import { ownPool } from "../own-pool.ts";

const asker = new AsyncLocalStorage<string>();

class Refusal extends Error {
  readonly code = "E_REFUSED";
  readonly wanted: number;
  constructor(wanted: number) {
    super(`no ${wanted} for you`);
    this.name = "Refusal";
    this.wanted = wanted;
  }
}

/** The live function that declarations of this file reach; each call has one of its own. */
let counter = live((by: number): number => by);
const countTwice = async (by: number): Promise<number> => (await counter(by)) + (await counter(by));
class Counting {
  async count(by: number): Promise<number> {
    return counter(by);
  }
}

class Late {
  readonly late = true;
}

/** Failures that nobody has awaited, by event. */
async function heard(run: () => Promise<void>): Promise<EventMap["live.failed"][]> {
  const failed: EventMap["live.failed"][] = [];
  const listening = new AbortController();
  events.on("live.failed", (event) => void failed.push(event), { signal: listening.signal });
  try {
    await run();
  } finally {
    listening.abort();
  }
  return failed;
}

export const cases: readonly Case[] = [
  {
    name: "functions in arguments and results, deep in objects and Maps, both ways",
    async run({ pool }) {
      const { pid } = process;
      await (async () => {
        const api = await flame(
          () => ({
            by: new Map([["apply", async (deep: { list: ((n: number) => Promise<number>)[] }) => deep.list[0]!(20)]]),
            where: async () => process.pid,
          }),
          { pool },
        );
        const apply = api.by.get("apply")!;
        assert.equal(await apply({ list: [async (n) => n + (process.pid === pid ? 1 : 0)] }), 21);
        assert.notEqual(await api.where(), pid);
      })();
      await until("a free slot", async () => {
        await collectGarbage();
        return pool.stats().slots.busy === 0;
      });
    },
  },
  {
    name: "ping-pong: each side calls the other fifty times deep",
    async run({ pool }) {
      let depth = 0;
      const ping = live(async (left: number, pong: (left: number) => Promise<number>): Promise<number> => {
        depth++;
        return left === 0 ? 0 : 1 + (await pong(left - 1));
      });
      const all = await flame(
        async () => {
          const pong = async (left: number): Promise<number> => (left === 0 ? 0 : 1 + (await ping(left - 1, pong)));
          return ping(50, pong);
        },
        { pool },
      );
      assert.deepEqual([all, depth], [50, 26]);
    },
  },
  {
    name: "a function that is sent twice arrives as the same function, and comes home as itself",
    async run({ pool }) {
      const mine = (n: number): number => n;
      const seen: unknown[] = [];
      const back = live((fn: unknown, list: unknown[]) => {
        seen.push(fn === mine, list[0] === mine);
        return fn as typeof mine;
      });
      const give = live(() => [mine, { again: mine }] as const);
      const same = await flame(
        async () => {
          const [first, { again }] = await give();
          const [second] = await give();
          const home = await back(first, [second]);
          return [first === again, first === second, (home as unknown) === first];
        },
        { pool },
      );
      assert.deepEqual(same, [true, true, true]);
      assert.deepEqual(seen, [true, true]);
    },
  },
  {
    name: "a captured live function as the result is the function itself, and the call is over",
    async run({ pool }) {
      const mine = live((n: number) => n + 1);
      const back = await flame(() => ({ mine }), { pool });
      assert.ok((back.mine as unknown) === mine);
      await until("a free slot", () => pool.stats().slots.busy === 0);
    },
  },
  {
    name: "an error of a callback arrives on the runner as itself, and back here",
    async run({ pool }) {
      const refuse = live((n: number): number => {
        throw new Refusal(n);
      });
      const caught = await flame(
        async () => {
          try {
            return await refuse(7);
          } catch (error) {
            return [error instanceof Refusal, (error as Refusal).wanted, (error as Refusal).code];
          }
        },
        { pool },
      );
      assert.deepEqual(caught, [true, 7, "E_REFUSED"]);
      const error = await failure(flame(async () => refuse(8), { pool }));
      assert.ok(error instanceof Refusal);
      assert.equal(error.wanted, 8);
    },
  },
  {
    name: "an error of a function on the runner arrives here with both stacks",
    async run({ pool }) {
      const fail = await flame(
        () =>
          async function failing(n: number): Promise<void> {
            throw new Refusal(n);
          },
        { pool },
      );
      const error = await failure(fail(3));
      assert.ok(error instanceof Refusal);
      assert.match(error.stack ?? "", /failing[^]*at flame \(runner live-\d+\)[^]*functions\.ts/);
      fail[Symbol.dispose]();
    },
  },
  {
    name: "a failing callback that nobody awaits is an event, and costs nobody anything",
    async run({ pool }) {
      const fail = live((n: number) => Promise.reject(new Refusal(n)));
      const failed = await heard(async () => {
        const there = await flame(
          async () => {
            void fail(1);
            void fail(2);
            await new Promise((resolve) => setImmediate(resolve));
            return process.pid;
          },
          { pool, name: "careless" },
        );
        assert.equal(await flame(() => process.pid, { pool }), there);
        await turn();
      });
      assert.deepEqual(
        failed.map(({ pool: name, name: call, error }) => [name, call, (error as Refusal).wanted]),
        [
          ["live", "careless", 1],
          ["live", "careless", 2],
        ],
      );
    },
  },
  {
    name: "a failing function on the runner that nobody awaits here costs nobody anything",
    async run({ pool }) {
      const fail = await flame(
        () => async () => {
          throw new Refusal(1);
        },
        { pool },
      );
      void fail();
      void fail();
      await failure(fail());
      fail[Symbol.dispose]();
    },
  },
  {
    name: "what is asked just before the closure returns still happens",
    async run({ pool }) {
      const done: unknown[] = [];
      const tell = live((value: unknown) => void done.push(value));
      const result = await flame(
        () => {
          for (let n = 0; n < 20; n++) void tell(n);
          void tell(new Uint8Array(300_000));
          void tell("last");
          return "result";
        },
        { pool },
      );
      assert.equal(result, "result");
      assert.equal(done.length, 22);
      assert.deepEqual(done.slice(0, 20), [...Array(20).keys()]);
      assert.equal((done[20] as Uint8Array).length, 300_000);
      assert.equal(done[21], "last");
    },
  },
  {
    name: "a function of a call that has ended says that it was let go, on both sides",
    async run({ pool }) {
      const late = gate<(n: number) => Promise<number>>();
      const keep = live((fn: (n: number) => Promise<number>) => late.resolve(fn));
      const go = gate();
      const wait = live(() => go.promise);
      await flame(
        async () => {
          await keep(async (n) => n);
          // Asked when nobody listens any more.
          setImmediate(() => {
            wait().catch((error: unknown) => note(`late: ${(error as { code?: string }).code}`));
          });
        },
        { pool },
      );
      const error = await failure((await late.promise)(1));
      assert.equal(error["code"], "ERR_TINDERBOX_RELEASED");
      assert.match(error.message, /^Cannot use a live reference: it was let go/);
      await noted("late: ERR_TINDERBOX_RELEASED", pool);
      go.resolve();
    },
  },
  {
    name: "using lets go at once, and frees the slot",
    async run({ pool }) {
      const fn = await flame(() => async (n: number) => n + 1, { pool });
      assert.equal(await fn(1), 2);
      fn[Symbol.dispose]();
      await until("a free slot", () => pool.stats().slots.busy === 0);
      assert.equal((await failure(fn(1)))["code"], "ERR_TINDERBOX_RELEASED");
      fn[Symbol.dispose]();
    },
  },
  {
    name: "what was asked before a function is let go is answered all the same",
    async run({ pool }) {
      const go = gate();
      const wait = live(() => go.promise);
      const fn = await flame(
        () => async (n: number) => {
          await wait();
          return n + 1;
        },
        { pool },
      );
      const answer = fn(1);
      fn[Symbol.dispose]();
      go.resolve();
      assert.equal(await answer, 2);
    },
  },
  {
    name: "a function that is dropped in the middle of a long call is let go of",
    async run({ pool }) {
      const weak: WeakRef<object>[] = [];
      const make = live((n: number) => {
        const made = async (m: number): Promise<number> => n + m;
        weak.push(new WeakRef(made));
        return made;
      });
      const go = gate();
      const wait = live(() => go.promise);
      const collect = live(async () => {
        await collectGarbage();
        return weak.filter((ref) => ref.deref()).length;
      });
      const left = flame(
        async () => {
          let sum = 0;
          for (let n = 0; n < 20; n++) sum += await (await make(n))(1);
          let alive = 20;
          while (alive > 1) {
            await collectGarbage();
            alive = await collect();
          }
          await wait();
          return sum;
        },
        { pool },
      );
      go.resolve();
      assert.equal(await left, 210);
    },
  },
  {
    name: "a function of a runner that was lost says so",
    run: () =>
      ownPool({}, async (own) => {
        const fn = await flame(() => async (n: number) => (n > 0 ? n : process.kill(process.pid, "SIGKILL")), {
          pool: own,
        });
        assert.equal(await fn(1), 1);
        const error = await failure(fn(0));
        assert.ok(RunnerLostError.is(error));
        assert.equal(error["signal"], "SIGKILL");
        assert.ok(RunnerLostError.is(await failure(fn(1))));
      }),
  },
  {
    name: "a callback that goes on after its runner was lost: nobody hears of what it gives",
    run: () =>
      ownPool({}, async (own) => {
        const gone = gate();
        const done = gate();
        const late = live(async () => {
          await gone.promise;
          setImmediate(done.resolve);
          // A class of which that runner has not heard.
          return new Late();
        });
        const failed = await heard(async () => {
          const error = await failure(
            flame(
              async () => {
                void late();
                await new Promise((resolve) => setImmediate(resolve));
                process.kill(process.pid, "SIGKILL");
              },
              { pool: own },
            ),
          );
          assert.ok(RunnerLostError.is(error));
          gone.resolve();
          await done.promise;
          await turn();
        });
        assert.deepEqual(failed, []);
      }),
  },
  {
    name: "a callback, onProgress and a captured generator run in the asynchronous context of the call",
    async run({ pool }) {
      const seen: unknown[] = [];
      const who = live(() => asker.getStore());
      const inContext = (name: string): Promise<unknown> =>
        asker.run(name, () => {
          const names = (async function* () {
            for (;;) yield asker.getStore();
          })();
          return flame(
            async ({ progress }) => {
              progress("now");
              return [await who(), (await names.next()).value];
            },
            { pool, onProgress: () => seen.push(asker.getStore()) },
          );
        });
      assert.deepEqual(await Promise.all([inContext("ada"), inContext("bob")]), [
        ["ada", "ada"],
        ["bob", "bob"],
      ]);
      assert.deepEqual(seen.toSorted(), ["ada", "bob"]);
    },
  },
  {
    name: "a live function behind declarations of the file is that of each call",
    async run({ pool }) {
      for (const factor of [1, 10, 100]) {
        counter = live((by: number) => by * factor);
        assert.equal(await flame(() => countTwice(2), { pool }), 4 * factor);
        assert.equal(await flame(() => new Counting().count(3), { pool }), 3 * factor);
      }
      const same = counter;
      for (let n = 0; n < 3; n++) assert.equal(await flame(() => countTwice(1), { pool }), 200);
      assert.ok(same === counter);
    },
  },
  {
    name: "retries: the live function works in each attempt",
    async run({ pool }) {
      const attempts: number[] = [];
      const tell = live((attempt: number) => attempts.push(attempt));
      const last = await flame(
        async ({ runner }) => {
          const count = await tell(runner.attempt);
          if (count < 3) throw new RangeError("again");
          return count;
        },
        { pool, retries: 3 },
      );
      assert.deepEqual([last, attempts], [3, [0, 1, 2]]);
    },
  },
  {
    name: "a repeated call calls back from its second runner; one whose stream was begun is not repeated, and says so",
    timeout: 30_000,
    run: () =>
      ownPool({}, async (own) => {
        const pids: number[] = [];
        const tell = live((pid: number) => pids.push(pid));
        const second = await flame(
          async () => {
            if ((await tell(process.pid)) === 1) process.kill(process.pid, "SIGKILL");
            return "second";
          },
          { pool: own, idempotent: true },
        );
        assert.equal(second, "second");
        assert.equal(new Set(pids).size, 2);
        const numbers = (function* () {
          yield 1;
        })();
        const list = (async function* () {
          yield* numbers;
        })();
        const error = await failure(
          flame(
            async () => {
              for await (const n of list) await tell(n);
              process.kill(process.pid, "SIGKILL");
            },
            { pool: own, idempotent: true },
          ),
        );
        assert.ok(RunnerLostError.is(error));
        assert.match(error.message, /it is not repeated, because a stream that it was given has been read or written$/);
        assert.equal(pids.length, 3);
      }),
  },
  {
    name: "retries do not repeat a call whose stream has been read",
    async run({ pool }) {
      let attempts = 0;
      const attempt = live(() => void attempts++);
      const list = (async function* () {
        yield 1;
      })();
      const error = await failure(
        flame(
          async () => {
            await attempt();
            for await (const _ of list);
            throw new RangeError("after reading");
          },
          { pool, retries: 3 },
        ),
      );
      assert.ok(error instanceof RangeError);
      assert.equal(attempts, 1);
    },
  },
  {
    name: "arguments and results that cannot be sent are refused where they are made",
    async run({ pool }) {
      const take = live((value: unknown) => value);
      const give = live(() => new WeakMap());
      const failed = await heard(async () => {
        const codes = await flame(
          async () => {
            const code = async (act: () => Promise<unknown>): Promise<unknown> => {
              try {
                return await act();
              } catch (error) {
                return (error as { code?: string }).code;
              }
            };
            return [await code(() => take({ deep: new WeakSet() })), await code(() => give()), await code(() => take(1))];
          },
          { pool },
        );
        assert.deepEqual(codes, ["ERR_TINDERBOX_CAPTURE", "ERR_TINDERBOX_CAPTURE", 1]);
      });
      assert.equal(failed.length, 1);
    },
  },
  {
    name: "a Blob goes through a callback, both ways",
    async run({ pool }) {
      const double = live(async (blob: Blob) => new Blob([blob, blob]));
      const text = await flame(async () => (await double(new Blob(["ab"]))).text(), { pool });
      assert.equal(text, "abab");
    },
  },
  {
    name: "a generator as an argument of a callback is read here while the call runs",
    async run({ pool }) {
      const sum = live(async (numbers: AsyncIterable<number>) => {
        const { items } = await gather(numbers);
        return items.reduce((all, n) => all + n, 0);
      });
      const all = await flame(
        () =>
          sum(
            (async function* () {
              for (let n = 1; n <= 100; n++) yield n;
            })(),
          ),
        { pool },
      );
      assert.equal(all, 5050);
    },
  },
  {
    name: "a callback may return a generator, which the runner reads",
    async run({ pool }) {
      const count = live(async function* (to: number) {
        for (let n = 1; n <= to; n++) yield n;
      });
      const all = await flame(
        async () => {
          let sum = 0;
          for await (const n of (await count(10)) as unknown as AsyncIterable<number>) sum += n;
          return sum;
        },
        { pool },
      );
      assert.equal(all, 55);
    },
  },
];
