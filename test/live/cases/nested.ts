/** flame() inside of flame(): the inner call is the parent's, on whichever runner it chooses. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { AbortError, RunnerLostError, closure, context, events, flame, live, pool as declare, runner } from "tinderbox";
import { until } from "../../harness/until.ts";
import type { Case } from "../case.ts";

class Money {
  readonly cents: number;
  constructor(cents: number) {
    this.cents = cents;
  }
  double(): Money {
    return new Money(this.cents * 2);
  }
}

class Refused extends Error {
  override readonly name = "Refused";
  readonly because: string;
  constructor(because: string) {
    super(`refused because ${because}`);
    this.because = because;
  }
}

const twice = (n: number): number => n * 2;

/** Calls itself on another runner until it is as deep as it was told to go. */
function deeper(depth: number): Promise<number> {
  return flame(async ({ runner: { pool } }) => (depth === 0 ? 0 : 1 + (await deeper(depth - 1))) + (pool ? 0 : 1), {
    name: `depth ${depth}`,
  });
}

export const cases: readonly Case[] = [
  {
    name: "the inner call runs with what it captures, on a slot of its own pool",
    async run({ pool }) {
      const outside = 1;
      const [there, inner] = await flame(
        async () => {
          const local = [10, new Money(5)] as const;
          const found = await flame(({ runner: { pool: name, id } }) => ({
            sum: outside + local[0] + twice(local[1].cents),
            file: basename(import.meta.filename),
            name,
            id,
            runner: runner()?.id,
          }));
          return [runner()?.pool, found] as const;
        },
        { pool },
      );
      assert.deepEqual([there, inner.sum, inner.file, inner.name], [pool.name, 21, "nested.ts", pool.name]);
      assert.equal(inner.id, inner.runner);
    },
  },
  {
    name: "instances of classes and errors come back as what they are, to the outer closure and to the parent",
    async run({ pool }) {
      const [money, cents, refused] = await flame(
        async () => {
          const doubled = await flame(() => new Money(4).double());
          const cause = await flame(() => {
            throw new Refused("it is late");
          }).catch((error: unknown) => error);
          if (!(doubled instanceof Money)) throw new Error("it is another class");
          if (!(cause instanceof Refused)) throw new Error(`it is ${String(cause)}`);
          return [doubled, doubled.double().cents, cause] as const;
        },
        { pool },
      );
      assert(money instanceof Money && refused instanceof Refused);
      assert.deepEqual([money.cents, cents, refused.because, refused.message], [8, 16, "it is late", "refused because it is late"]);
      assert.match(refused.stack ?? "", /nested\.ts:\d+:\d+[\s\S]*at flame \(runner of a nested call\)/);
    },
  },
  {
    name: "a captured pool stands for the parent's, and another pool must be allowed",
    async run() {
      const inner = declare("inner", { max: 1 });
      const outer = declare("outer", { max: 1, allow: ["inner"] });
      const strict = declare("strict", { max: 1 });
      const ask = () => flame(() => context().runner.pool, { pool: inner });
      assert.equal(await flame(() => ask(), { pool: outer }), "inner");
      await assert.rejects(
        flame(() => ask(), { pool: strict }),
        { code: "ERR_TINDERBOX_NESTING", message: /declare pool "strict" with allow: \["inner"\]/ },
      );
      await Promise.all([inner.close(), outer.close(), strict.close()]);
    },
  },
  {
    name: "live functions, signals and streams pass through",
    async run({ pool }) {
      const seen: unknown[] = [];
      const { pid } = process;
      const tell = live(async (what: unknown) => {
        seen.push(what);
        return process.pid;
      });
      const parents = await flame(
        async () => {
          const there = process.pid;
          const here = live((n: number) => [process.pid, n] as const);
          return flame(async () => [await tell("from inside"), there, (await here(7))[0], (await here(8))[1]] as const);
        },
        { pool },
      );
      assert.deepEqual([parents[0], parents[1] === parents[2], parents[3], seen], [pid, true, 8, ["from inside"]]);
    },
  },
  {
    name: "a generator of the inner call is read by the outer one, or by the parent",
    async run({ pool }) {
      const sum = await flame(
        async () => {
          let total = 0;
          for await (const n of flame(async function* () {
            for (let i = 1; ; i++) yield i;
          })) {
            total += n;
            if (n === 4) break;
          }
          return total;
        },
        { pool },
      );
      assert.equal(sum, 10);
      const seen: number[] = [];
      const through = flame(
        async function* () {
          yield* flame(async function* () {
            yield 1;
            yield 2;
          });
        },
        { pool },
      );
      for await (const n of through) seen.push(n);
      assert.deepEqual(seen, [1, 2]);
    },
  },
  {
    name: "wrap and cast work on a runner, with options of their own",
    async run({ pool }) {
      let end!: (what: string) => void;
      const ended = new Promise<string>((resolve) => (end = resolve));
      const tell = live((what: string) => end(what));
      const told: unknown[] = [];
      const result = await flame(
        async ({ progress }) => {
          const add = flame.wrap(
            async (left: number, right: number, note: (n: number) => void) => {
              context().progress("inner");
              await note(left);
              return left + right;
            },
            { onProgress: (value) => progress(value) },
          );
          await flame.cast(() => tell("cast"));
          return add(1, 2, (n) => progress(n));
        },
        { pool, onProgress: (value) => told.push(value) },
      );
      assert.deepEqual([result, await ended, told.toSorted()], [3, "cast", [1, "inner"]]);
    },
  },
  {
    name: "retries of an inner call are made by the parent: numbers travel, functions are refused",
    async run({ pool }) {
      const attempts: number[] = [];
      const note = live((attempt: number) => void attempts.push(attempt));
      await assert.rejects(
        flame(
          () =>
            flame(
              async ({ runner: { attempt } }) => {
                await note(attempt);
                throw new Error("again");
              },
              { retries: 2 },
            ),
          { pool },
        ),
        /again/,
      );
      assert.deepEqual(attempts, [0, 1, 2]);
      await assert.rejects(
        flame(() => flame(() => 1, { retries: { limit: 1, when: () => true } }), { pool }),
        /Cannot use functions in option "retries" of flame on a runner/,
      );
    },
  },
  {
    name: "an inner call that is made again has its live function, and its stream if that has not begun",
    async run({ pool }) {
      const told: unknown[] = [];
      const tell = live((what: unknown) => void told.push(what));
      const last = await flame(
        async () => {
          const numbers = (async function* () {
            yield 1;
            yield 2;
          })();
          return flame(
            async ({ runner: { attempt } }) => {
              await tell(attempt);
              if (attempt === 0) throw new Error("again");
              const seen: number[] = [];
              for await (const n of numbers) seen.push(n);
              return seen;
            },
            { retries: 1 },
          );
        },
        { pool },
      );
      assert.deepEqual([told, last], [[0, 1], [1, 2]]);
    },
  },
  {
    name: "the last failure of an inner call that was made again is the one that is told",
    async run({ pool }) {
      await assert.rejects(
        flame(
          () =>
            flame(
              async ({ runner: { attempt }, signal }) => {
                if (attempt === 0) throw new Error("first");
                await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
              },
              { retries: 1, timeout: "200ms" },
            ),
          { pool },
        ),
        { code: "ERR_TINDERBOX_CALL_TIMEOUT" },
      );
      await until("free slots", () => pool.stats().slots.busy === 0);
    },
  },
  {
    name: "a function that was returned may call flame, also when nothing else of its call is left",
    async run({ pool }) {
      const outside = 20;
      const held = await flame(() => async (n: number) => flame(() => n * 2 + outside), { pool });
      assert.equal(await held(11), 42);
      held[Symbol.dispose]();
    },
  },
  {
    name: "code of an inner call whose outer one has gone is known to the next one",
    async run({ pool }) {
      const inner = closure(() => flame(() => "inner"));
      const stop = new AbortController();
      const ready = live(() => stop.abort());
      const gone = flame(
        async () => {
          void ready();
          const end = performance.now() + 100;
          while (performance.now() < end);
          return inner().catch(() => "too late");
        },
        { pool, signal: stop.signal },
      );
      await assert.rejects(gone, AbortError);
      await pool.drain();
      assert.equal(await flame(() => inner(), { pool }), "inner");
    },
  },
  {
    name: "a failing cast of a runner is an event of the parent",
    async run({ pool }) {
      const heard: string[] = [];
      const handle = events.on("cast.failed", ({ name, error }) => void heard.push(`${name}: ${(error as Error).message}`));
      await flame(
        () =>
          flame.cast(
            () => {
              throw new Error("too far");
            },
            { name: "far" },
          ),
        { pool },
      );
      await until("the event", () => heard.length > 0);
      handle[Symbol.dispose]();
      assert.deepEqual(heard, ["far: too far"]);
    },
  },
  {
    name: "inner calls that begin side by side share their code, whichever of them is ready first",
    async run() {
      const wide = declare("side-by-side", { max: 1, concurrency: 8 });
      const big = new Uint8Array(4 * 1024 * 1024).fill(1);
      const { promise: both, resolve: meet } = Promise.withResolvers<void>();
      let there = 0;
      const wait = live(async () => {
        if (++there === 2) meet();
        await both;
      });
      const size = (what: unknown): Promise<number> =>
        flame(() => (what instanceof Blob ? what.size : what instanceof Uint8Array ? what.length : -1));
      const found = await Promise.all(
        [() => big, () => "small"].map((make) =>
          flame(
            async () => {
              await wait();
              const what = make();
              const blob = new Blob([new Uint8Array(100)]);
              return Promise.all([size(blob), size(what), size("none")]);
            },
            { pool: wide },
          ),
        ),
      );
      assert.deepEqual(found, [
        [100, big.length, -1],
        [100, -1, -1],
      ]);
      assert.equal(wide.stats().boots.ok, 1);
      await wide.close();
    },
  },
  {
    name: "map and place say that they are for the parent",
    async run({ pool }) {
      await assert.rejects(
        flame(() => flame.place(() => ({ method: () => 1 })), { pool }),
        /Cannot call flame.place on a runner/,
      );
      await assert.rejects(
        flame(() => void flame.map([1], (n) => n), { pool }),
        /Cannot call flame.map on a runner/,
      );
    },
  },
  {
    name: "the end of the outer call is the end of the inner one",
    timeout: 30_000,
    async run({ pool }) {
      const { promise: began, resolve } = Promise.withResolvers<void>();
      const { promise: aborted, resolve: tellAborted } = Promise.withResolvers<string>();
      const begin = live(() => resolve());
      const end = live((what: string) => tellAborted(what));
      const controller = new AbortController();
      const call = flame(
        () =>
          flame(async ({ signal }) => {
            await begin();
            await new Promise<void>((stop) => signal.addEventListener("abort", () => stop()));
            await end("aborted");
          }),
        { pool, signal: controller.signal },
      );
      await began;
      controller.abort(new Error("enough"));
      await assert.rejects(call, AbortError);
      // The inner closure's word may be too late: what it called belonged to the outer call.
      await Promise.race([aborted, until("free slots", () => pool.stats().slots.busy === 0)]);
    },
  },
  {
    name: "the loss of the inner runner is the inner call's error",
    async run() {
      const apart = declare("apart", { max: 1 });
      const outer = declare("keeps", { max: 1, allow: ["apart"] });
      const reason = await flame(
        () =>
          flame(() => process.exit(3), { pool: apart }).then(
            () => "none",
            (error: unknown) => (RunnerLostError.is(error) ? `lost: ${(error as RunnerLostError).exitCode}` : String(error)),
          ),
        { pool: outer },
      );
      assert.equal(reason, "lost: 3");
      await Promise.all([apart.close(), outer.close()]);
    },
  },
  {
    name: "calls that call themselves are stopped before all machines are taken",
    timeout: 60_000,
    async run() {
      const wide = declare("wide", { max: 2, concurrency: 16 });
      assert.equal(await flame(() => deeper(6), { pool: wide }), 7 - 1);
      await assert.rejects(
        flame(() => deeper(20), { pool: wide }),
        { code: "ERR_TINDERBOX_NESTING", message: /nested 8 deep already/ },
      );
      await wide.close();
    },
  },
  {
    name: "slots that are all taken by calls that wait for inner ones are a clear error, not a wait without end",
    async run() {
      const narrow = declare("narrow", { max: 1 });
      await assert.rejects(
        flame(() => flame(() => 1), { pool: narrow }),
        { code: "ERR_TINDERBOX_NESTING", message: /all slots of pool "narrow" are taken/ },
      );
      await narrow.close();
    },
  },
];
