/** AbortSignals: they abort on the other side, with their reason. */
import assert from "node:assert/strict";
import { flame, live } from "tinderbox";
import type { Case } from "../case.ts";
import { collectGarbage } from "../garbage.ts";
import { gate } from "../gather.ts";

/** What a runner sees of a reason. */
interface Seen {
  readonly aborted: boolean;
  readonly reason: unknown;
}

const reasons: readonly (readonly [name: string, make: () => unknown, check: (reason: unknown) => void])[] = [
  [
    "an error with fields",
    () => Object.assign(new RangeError("enough"), { code: "E_ENOUGH" }),
    (reason) => {
      assert.ok(reason instanceof RangeError);
      assert.deepEqual([reason.message, (reason as { code?: unknown }).code], ["enough", "E_ENOUGH"]);
    },
  ],
  ["nothing", () => undefined, (reason) => assert.equal((reason as Error).name, "AbortError")],
  [
    "a DOMException",
    () => new DOMException("late", "TimeoutError"),
    (reason) => {
      assert.ok(reason instanceof DOMException);
      assert.deepEqual([reason.name, reason.message], ["TimeoutError", "late"]);
    },
  ],
  ["a string", () => "enough", (reason) => assert.equal(reason, "enough")],
  ["an object", () => ({ why: ["a", 1] }), (reason) => assert.deepEqual(reason, { why: ["a", 1] })],
  ["a Map", () => new Map([["a", 1n]]), (reason) => assert.deepEqual(reason, new Map([["a", 1n]]))],
  ["what cannot travel", () => new WeakMap(), (reason) => assert.equal((reason as Error).name, "AbortError")],
];

export const cases: readonly Case[] = [
  ...reasons.flatMap(([name, make, check]): Case[] => [
    {
      name: `already aborted with ${name}`,
      async run({ pool }) {
        const signal = AbortSignal.abort(make());
        const seen = await flame((): Seen => ({ aborted: signal.aborted, reason: signal.reason as unknown }), { pool });
        assert.equal(seen.aborted, true);
        check(seen.reason);
      },
    },
    {
      name: `aborted later with ${name}`,
      async run({ pool }) {
        const controller = new AbortController();
        const { signal } = controller;
        const ready = live(() => controller.abort(make()));
        const reason = await flame(
          async () => {
            const aborted = new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason)));
            await ready();
            return { reason: await aborted };
          },
          { pool },
        );
        check(reason.reason);
      },
    },
  ]),
  {
    name: "AbortSignal.any and AbortSignal.timeout travel, and are sources for others there",
    async run({ pool }) {
      const controller = new AbortController();
      const both = AbortSignal.any([controller.signal, AbortSignal.timeout(3_600_000)]);
      const quick = AbortSignal.timeout(20);
      const ready = live(() => controller.abort("both"));
      const seen = await flame(
        async () => {
          const timeout = await new Promise<unknown>((resolve) => {
            if (quick.aborted) resolve(quick.reason);
            else quick.addEventListener("abort", () => resolve(quick.reason));
          });
          const derived = AbortSignal.any([both, new AbortController().signal]);
          const aborted = new Promise((resolve) => derived.addEventListener("abort", () => resolve(derived.reason)));
          await ready();
          return [(timeout as Error).name, await aborted];
        },
        { pool },
      );
      assert.deepEqual(seen, ["TimeoutError", "both"]);
    },
  },
  {
    name: "the context's own signal is an argument of a callback, and aborts here",
    async run({ pool }) {
      const stop = new AbortController();
      const seen = gate<unknown>();
      const take = live((signal: AbortSignal) => {
        signal.addEventListener("abort", () => seen.resolve(signal.reason));
      });
      const done = await flame(
        async () => {
          const own = new AbortController();
          await take(own.signal);
          own.abort("from the runner");
          return true;
        },
        { pool, signal: stop.signal },
      );
      assert.equal(done, true);
      assert.equal(await seen.promise, "from the runner");
    },
  },
  {
    name: "listeners of a signal that is itself forgotten are called",
    async run({ pool }) {
      const controller = new AbortController();
      const give = live(() => controller.signal);
      const abort = live(() => controller.abort("late"));
      const reason = await flame(
        async () => {
          const aborted = give().then(
            (signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve("called"))),
          );
          await give();
          for (let n = 0; n < 3; n++) await collectGarbage();
          await abort();
          return aborted;
        },
        { pool },
      );
      assert.equal(reason, "called");
    },
  },
  {
    name: "a signal in a result does not keep its call open",
    async run({ pool }) {
      const { signal } = await flame(() => ({ signal: new AbortController().signal }), { pool });
      assert.equal(signal.aborted, false);
      // That nothing is left is looked at after the case: no garbage collection is needed for it.
    },
  },
  {
    name: "a signal that is never aborted leaves no listener behind",
    async run({ pool }) {
      const controller = new AbortController();
      const { signal } = controller;
      let listeners = 0;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
      signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
      await flame(() => signal.aborted, { pool });
      assert.equal(listeners, 0);
      assert.equal(await flame(() => signal.aborted, { pool, signal }), false);
      assert.equal(listeners, 0);
    },
  },
];
