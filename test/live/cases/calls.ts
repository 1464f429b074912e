/** The other ways to call: wrap, cast, one chosen runner, and the context of the caller in what is called back. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { type EventMap, QueueFullError, RunnerLostError, context, events, flame, live, pool as declare } from "tinderbox";
import { until } from "../../harness/until.ts";
import type { Case } from "../case.ts";

class Money {
  readonly cents: number;
  constructor(cents: number) {
    this.cents = cents;
  }
  plus(other: Money): Money {
    return new Money(this.cents + other.cents);
  }
}

const user = new AsyncLocalStorage<string>();

/** The next event of a name, and those before it. */
function hear<N extends keyof EventMap>(name: N): { readonly all: EventMap[N][]; stop(): void } {
  const all: EventMap[N][] = [];
  const handle = events.on(name, (event) => void all.push(event));
  return { all, stop: () => handle[Symbol.dispose]() };
}

export const cases: readonly Case[] = [
  {
    name: "wrap: arguments travel like captured values, and the context is at hand",
    async run({ pool }) {
      const rate = 2;
      const price = flame.wrap(
        async (net: Money, more: Map<string, bigint>) => ({
          total: net.plus(new Money(net.cents * rate)),
          more,
          on: context().runner.pool,
          there: process.pid,
        }),
        { pool },
      );
      const { total, more, on, there } = await price(new Money(5), new Map([["a", 1n]]));
      assert(total instanceof Money);
      assert.deepEqual([total.cents, more.get("a"), on], [15, 1n, pool.name]);
      assert.notEqual(there, process.pid);
    },
  },
  {
    name: "wrap: what it captures is read at each call",
    async run({ pool }) {
      let base = 1;
      const add = flame.wrap((n: number) => base + n, { pool });
      assert.equal(await add(1), 2);
      base = 10;
      assert.equal(await add(1), 11);
    },
  },
  {
    name: "wrap: functions among the arguments are live",
    async run({ pool }) {
      const { pid } = process;
      const seen: number[] = [];
      const count = flame.wrap(
        async (to: number, tell: (n: number) => void, ask: () => Promise<number>) => {
          for (let n = 1; n <= to; n++) await tell(n);
          return ask();
        },
        { pool },
      );
      assert.equal(await count(3, (n) => void seen.push(n), async () => process.pid), pid);
      assert.deepEqual(seen, [1, 2, 3]);
    },
  },
  {
    name: "wrap: a generator is iterated, and with() adds options for one call",
    async run({ pool }) {
      const upTo = flame.wrap(async function* (n: number) {
        for (let i = 0; i < n; i++) yield i;
        context().progress("done");
      });
      const told: unknown[] = [];
      const seen: number[] = [];
      for await (const n of upTo.with({ pool, onProgress: (value) => told.push(value) })(3)) seen.push(n);
      assert.deepEqual([seen, told], [[0, 1, 2], ["done"]]);
    },
  },
  {
    name: "wrap: an argument that cannot travel is refused with its path, before anything is sent",
    async run({ pool }) {
      const take = flame.wrap((what: unknown) => typeof what, { pool });
      await assert.rejects(take({ deep: [new WeakMap()] }), {
        code: "ERR_TINDERBOX_CAPTURE",
        message: /arguments\[0\]\.deep\[0\]/,
      });
      assert.throws(() => flame.wrap(take, { timeuot: 1 } as never), /did you mean "timeout"/);
      assert.throws(() => flame.wrap(7 as never), /Cannot wrap number/);
    },
  },
  {
    name: "cast: is over for its caller when a runner has accepted it",
    async run({ pool }) {
      let end!: () => void;
      const ended = new Promise<void>((resolve) => (end = resolve));
      let go!: () => void;
      const gone = new Promise<void>((resolve) => (go = resolve));
      const wait = live(() => gone);
      const tell = live(() => end());
      await flame.cast(
        async () => {
          await wait();
          await tell();
        },
        { pool },
      );
      assert.equal(pool.stats().slots.busy, 1);
      go();
      await ended;
    },
  },
  {
    name: "cast: one that computes without a pause is accepted before it begins",
    async run({ pool }) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const tell = live(() => resolve());
      const order: string[] = [];
      const done = promise.then(() => order.push("computed"));
      await flame.cast(
        () => {
          const end = performance.now() + 200;
          while (performance.now() < end);
          void tell();
        },
        { pool },
      );
      order.push("accepted");
      await done;
      assert.deepEqual(order, ["accepted", "computed"]);
    },
  },
  {
    name: "cast: a failure after its acceptance is an event, and nothing else",
    async run({ pool }) {
      const heard = hear("cast.failed");
      await flame.cast(
        () => {
          throw new RangeError("too far");
        },
        { pool, name: "far" },
      );
      await until("the event", () => heard.all.length > 0);
      heard.stop();
      const [{ pool: of, name, error }] = heard.all as [EventMap["cast.failed"]];
      assert.deepEqual([of, name, heard.all.length], [pool.name, "far", 1]);
      assert(error instanceof RangeError && error.message === "too far");
    },
  },
  {
    name: "cast: is refused when the queue is full, or what it captures cannot travel",
    async run({ pool }) {
      const full = declare("cast-full", { max: 1, queueLimit: 1 });
      let go!: () => void;
      const gone = new Promise<void>((resolve) => (go = resolve));
      const wait = live(() => gone);
      await flame.cast(() => wait(), { pool: full });
      const queued = flame.cast(() => undefined, { pool: full });
      await assert.rejects(
        flame.cast(() => undefined, { pool: full }),
        QueueFullError,
      );
      go();
      await queued;
      await full.close();
      const secret = new WeakMap();
      await assert.rejects(
        flame.cast(() => secret, { pool }),
        { code: "ERR_TINDERBOX_CAPTURE" },
      );
    },
  },
  {
    name: "node: a call goes to the runner that was named, and waits for it",
    async run() {
      const own = declare("nodes", { min: 2, max: 2, timeout: "20s" });
      await own.start();
      await until("two runners", () => own.nodes().length === 2);
      const [first, second] = own.nodes();
      const where = (node: { id: string; pool: string } | string) => flame(({ runner }) => runner.id, { node });
      assert.deepEqual(
        await Promise.all([where(second!), where(second!.id), where(first!), where(first!), where(second!)]),
        [second!.id, second!.id, first!.id, first!.id, second!.id],
      );
      const exit = flame(() => process.exit(3), { node: first! });
      await assert.rejects(exit, RunnerLostError);
      await until("one runner less", () => !own.nodes().some(({ id }) => id === first!.id));
      await assert.rejects(where(first!), {
        code: "ERR_TINDERBOX_RUNNER_LOST",
        started: false,
        message: new RegExp(`runner ${first!.id} takes no more calls`),
      });
      await own.close();
    },
  },
  {
    name: "node: what is no runner, or one of another pool, is refused",
    async run({ pool }) {
      await assert.rejects(flame(() => 1, { pool, node: "nonsense" }), /the id of a runner is wanted/);
      await assert.rejects(flame(() => 1, { pool, node: "other-1" }), /Cannot use a runner of pool "other"/);
      await assert.rejects(flame(() => 1, { node: "nobody-1" }), /Cannot find pool "nobody"/);
    },
  },
  {
    name: "a function that was returned takes no slot, keeps its runner from idling, and is lost with it",
    async run() {
      const own = declare("keeping", { max: 1, idle: "50ms" });
      const gone: string[] = [];
      const handle = events.on("runner.gone", ({ pool: of, reason }) => void (of === own.name && gone.push(reason)));
      const held = await flame(() => (n: number) => [process.pid, n] as const, { pool: own });
      assert.deepEqual(own.stats().slots, { busy: 0, free: 1 });
      await own.drain();
      const [pid] = await held(1);
      // Several times its idle time, and one that nobody needs does go.
      const brief = declare("brief", { max: 1, idle: "50ms" });
      const left = hear("runner.gone");
      for (let turn = 0; turn < 3; turn++) {
        await flame(() => turn, { pool: brief });
        await until("its end", () => left.all.length > turn);
      }
      left.stop();
      assert.deepEqual([await held(2), gone], [[pid, 2], []]);
      await own.close();
      await assert.rejects(held(3), { code: "ERR_TINDERBOX_RUNNER_LOST" });
      handle[Symbol.dispose]();
      await brief.close();
    },
  },
  {
    name: "a live result that comes too late is let go, and its runner stays",
    timeout: 30_000,
    async run() {
      const own = declare("late", { max: 1 });
      const late = flame(
        async function () {
          const { setTimeout: sleep } = await import("node:timers/promises");
          await sleep(150);
          return (async function* () {
            yield 1;
          })();
        },
        { pool: own, timeout: "50ms" },
      );
      await assert.rejects(late, { code: "ERR_TINDERBOX_CALL_TIMEOUT" });
      const pid = await flame(() => process.pid, { pool: own });
      const gone = hear("runner.draining");
      // Longer than the grace that a cancelled call has.
      const { setTimeout: sleep } = await import("node:timers/promises");
      await sleep(5_500);
      gone.stop();
      assert.deepEqual([gone.all.filter(({ pool: of }) => of === own.name), await flame(() => process.pid, { pool: own })], [[], pid]);
      await own.close();
    },
  },
  {
    name: "a function that was returned and let go lets its runner go",
    async run() {
      const own = declare("letting", { max: 1, idle: "50ms" });
      const held = await flame(() => () => 1, { pool: own });
      assert.equal(await held(), 1);
      const left = hear("runner.gone");
      held[Symbol.dispose]();
      await until("the end of the runner", () => left.all.some(({ pool: of }) => of === own.name));
      left.stop();
      await assert.rejects(held(), { code: "ERR_TINDERBOX_RELEASED" });
      await own.close();
    },
  },
  {
    name: "the caller's asynchronous context is there in callbacks, in what they call, and in onProgress",
    async run({ pool }) {
      const seen: unknown[] = [];
      const tell = live(async () => {
        await Promise.resolve();
        seen.push(user.getStore());
      });
      const call = (name: string) =>
        user.run(name, () =>
          flame(
            async ({ progress }) => {
              progress(1);
              await tell();
            },
            { pool, onProgress: () => seen.push(user.getStore()) },
          ),
        );
      await Promise.all([call("ada"), call("ben")]);
      await call("eve");
      assert.deepEqual(seen.slice(0, 4).toSorted(), ["ada", "ada", "ben", "ben"]);
      assert.deepEqual(seen.slice(4), ["eve", "eve"]);
    },
  },
];
