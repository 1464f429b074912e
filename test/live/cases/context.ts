/** What a closure has of its call, and what of it reaches the parent: progress, log lines, output, faults. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { type EventMap, AbortError, context, events, flame, live, pool as declare, runner } from "tinderbox";
import { until } from "../../harness/until.ts";
import type { Case } from "../case.ts";

/** Lines of one pool, as they come. */
function listen(pool: string): { readonly lines: EventMap["runner.log"][]; stop(): void } {
  const lines: EventMap["runner.log"][] = [];
  const handle = events.on("runner.log", (line) => void (line.pool === pool && lines.push(line)));
  return { lines, stop: () => handle[Symbol.dispose]() };
}

/** Code deep inside of a call. */
function deep(): { readonly pool: string; readonly attempt: number; readonly same: string | undefined } {
  const { pool, attempt } = context().runner;
  return { pool, attempt, same: runner()?.pool };
}

export const cases: readonly Case[] = [
  {
    name: "progress arrives in order, before the result, with its values",
    async run({ pool }) {
      const told: unknown[] = [];
      const result = await flame(
        ({ progress }) => {
          progress(1);
          progress({ half: true, at: new Map([["b", 2n]]) });
          return told.length;
        },
        { pool, onProgress: (value) => told.push(value) },
      );
      assert.deepEqual([result, told], [0, [1, { half: true, at: new Map([["b", 2n]]) }]]);
    },
  },
  {
    name: "log and console are told with the call that printed them, also when calls run side by side",
    async run({ pool }) {
      const heard = listen(pool.name);
      const { promise: both, resolve: meet } = Promise.withResolvers<void>();
      let there = 0;
      const wait = live(async () => {
        if (++there === 2) meet();
        await both;
      });
      const talk = (name: string) =>
        flame(
          async ({ log }) => {
            await wait();
            log(`${name} logs`, { deep: [1] });
            console.log(`${name} prints`);
            await new Promise((next) => setImmediate(next));
            console.error(`${name} warns`);
          },
          { pool, name },
        );
      await Promise.all([talk("ada"), talk("ben")]);
      heard.stop();
      for (const name of ["ada", "ben"]) {
        const own = heard.lines.filter((line) => line.name === name);
        assert.deepEqual(
          own.map(({ stream, line }) => `${stream} ${line}`).toSorted(),
          [`stderr ${name} warns`, `stdout ${name} logs { deep: [ 1 ] }`, `stdout ${name} prints`],
        );
        assert.equal(new Set(own.map(({ call }) => call)).size, 1);
      }
    },
  },
  {
    name: "an exception that nobody catches is told with the call that it belongs to",
    async run() {
      const own = declare("faulty", { max: 1, concurrency: 2 });
      const faults: EventMap["runner.fault"][] = [];
      const handle = events.on("runner.fault", (fault) => void (fault.pool === own.name && faults.push(fault)));
      const { promise: seen, resolve: see } = Promise.withResolvers<void>();
      const wait = live(() => seen);
      const neighbour = flame(() => wait(), { pool: own });
      await until("one running", () => own.stats().slots.busy === 1);
      await flame(
        () =>
          void setImmediate(() => {
            throw new Error("later");
          }),
        { pool: own },
      );
      await until("the fault", () => faults.length > 0);
      see();
      await neighbour;
      handle[Symbol.dispose]();
      assert.deepEqual(
        faults.map(({ calls, text }) => [calls, /Error: later/.test(text)]),
        [[[2], true]],
      );
      await own.close();
    },
  },
  {
    name: "signal aborts for a reason, and what it was handed to ends",
    async run({ pool }) {
      const { promise: ready, resolve } = Promise.withResolvers<void>();
      const begin = live(() => resolve());
      const controller = new AbortController();
      const call = flame(
        async ({ signal }) => {
          const { setTimeout: sleep } = await import("node:timers/promises");
          await begin();
          await sleep(60_000, undefined, { signal });
        },
        { pool, signal: controller.signal },
      );
      await ready;
      controller.abort(new Error("enough"));
      await assert.rejects(call, (error: unknown) => error instanceof AbortError && (error.cause as Error).message === "enough");
      await until("a free slot", () => pool.stats().slots.busy === 0);
    },
  },
  {
    name: "context() and runner() tell where code is, however deep, and are nothing on the parent",
    async run({ pool }) {
      assert.deepEqual(await flame(() => deep(), { pool }), { pool: pool.name, attempt: 0, same: pool.name });
      assert.equal(runner(), undefined);
      assert.throws(() => context(), /does not run inside of a flame\(\) call/);
    },
  },
  {
    name: "dir() is a folder of the call, which goes with it",
    async run({ pool }) {
      const folder = await flame(
        async ({ dir }) => {
          const { writeFile } = await import("node:fs/promises");
          const own = await dir();
          await writeFile(`${own}/file`, "text");
          return own;
        },
        { pool },
      );
      assert.equal(existsSync(folder), false);
    },
  },
];
