/** One look at each kind of live reference. */
import assert from "node:assert/strict";
import { flame, live } from "tinderbox";
import type { Case } from "../case.ts";

export const cases: readonly Case[] = [
  {
    name: "a generator is iterated as it produces, and its return value arrives",
    async run({ pool }) {
      const seen: unknown[] = [];
      const counting = await flame(
        async function* () {
          yield 1;
          yield { two: 2 };
          return "end";
        },
        { pool },
      );
      for (let step = await counting.next(); ; step = await counting.next()) {
        seen.push(step.value);
        if (step.done) break;
      }
      assert.deepEqual(seen, [1, { two: 2 }, "end"]);
    },
  },
  {
    name: "a captured live function runs on the parent, in the context of the call",
    async run({ pool }) {
      const { pid } = process;
      const where = live((n: number) => [process.pid, n * 2] as const);
      const [there, [here, doubled]] = await flame(async () => [process.pid, await where(21)] as const, { pool });
      assert.deepEqual([here, doubled], [pid, 42]);
      assert.notEqual(there, pid);
    },
  },
  {
    name: "a function that a closure returns runs on the runner, and takes functions",
    async run({ pool }) {
      const add = await flame(() => async (n: number, tell: (n: number) => Promise<number>) => tell(n + 1), { pool });
      assert.equal(await add(3, async (n) => n * 10), 40);
      add[Symbol.dispose]();
    },
  },
  {
    name: "an AbortSignal aborts on the runner, with its reason",
    async run({ pool }) {
      const controller = new AbortController();
      const { signal } = controller;
      const ready = live(() => controller.abort(new Error("enough")));
      const reason = await flame(
        () =>
          new Promise<string>((resolve) => {
            signal.addEventListener("abort", () => resolve(String(signal.reason)));
            void ready();
          }),
        { pool },
      );
      assert.equal(reason, "Error: enough");
    },
  },
  {
    name: "a captured ReadableStream is read on the runner",
    async run({ pool }) {
      const source = new ReadableStream<string>({
        start(controller) {
          controller.enqueue("a");
          controller.enqueue("b");
          controller.close();
        },
      });
      const text = await flame(
        async () => {
          let all = "";
          for await (const part of source) all += part;
          return all;
        },
        { pool },
      );
      assert.equal(text, "ab");
    },
  },
];
