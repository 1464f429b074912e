/** Calls that do no harm, of as many sorts as can go wrong on a runner that dies. */
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { flame } from "tinderbox";
import type { Start } from "./job.ts";
import { sleep, spin, work } from "./on-runner.ts";
import type { Random } from "./random.ts";
import { flaky, refuse } from "./refusals.ts";

const add: Start = (slip, options, random) => {
  const [left, right, ms] = [random.between(0, 1_000), random.between(0, 1_000), random.between(0, 250)];
  const result = flame(
    (on) =>
      work(on, slip, async () => {
        await sleep(ms, on.signal);
        return left + right;
      }),
    options,
  );
  return { result, rightValue: (value) => value === left + right };
};

const compute: Start = (slip, options, random) => {
  const ms = random.between(1, 25);
  const result = flame((on) => work(on, slip, () => (spin(ms), ms)), options);
  return { result, rightValue: (value) => value === ms };
};

/** Up to many frames either way. */
const bytes: Start = (slip, options, random) => {
  const mark = random.between(0, 255);
  const sent = new Uint8Array(random.between(0, 300_000)).fill(mark);
  const result = flame((on) => work(on, slip, () => sent.map((byte) => byte + 1)), options);
  const rightValue = (value: unknown): boolean =>
    value instanceof Uint8Array && value.length === sent.length && value.every((byte) => byte === mark + 1);
  return { result, rightValue };
};

/** In order, each once, none after the end (a hook that throws is an event). A repeated call begins again at 0. */
const report: Start = (slip, options, random) => {
  const count = random.between(1, 6);
  const seen: unknown[] = [];
  let over = false;
  const onProgress = (value: unknown): void => {
    if (over) throw new Error(`Cannot take progress of ${slip.name}: the call has ended`);
    seen.push(value);
  };
  const result = flame(
    (on) =>
      work(on, slip, async () => {
        for (let step = 0; step < count; step++) {
          on.progress(step);
          await sleep(5, on.signal);
        }
        return count;
      }),
    { ...options, onProgress },
  );
  void result.then(
    () => (over = true),
    () => (over = true),
  );
  const rightValue = (value: unknown): boolean =>
    value === count && seen.slice(-count).every((step, index) => step === index);
  return { result, rightValue };
};

const scratch: Start = (slip, options, random) => {
  const text = `note ${random.between(0, 1_000)}`;
  const result = flame(
    (on) =>
      work(on, slip, async () => {
        await writeFile(join(await on.dir(), "note"), text);
        await sleep(20, on.signal);
        return text;
      }),
    options,
  );
  return { result, rightValue: (value) => value === text };
};

const print: Start = (slip, options) => {
  const result = flame(
    (on) =>
      work(on, slip, () => {
        console.log("a line\nand another");
        console.error("half a");
        on.log({ some: "thing" });
      }),
    options,
  );
  return { result, rightValue: (value) => value === undefined };
};

/** Leaves a process behind, which is to go with its runner. */
const offspring: Start = (slip, options) => {
  const result = flame(
    (on) => work(on, slip, () => spawn("sleep", ["1000"], { stdio: "ignore" }).pid !== undefined),
    options,
  );
  return { result, rightValue: (value) => value === true };
};

/** Ends only when it is told to. */
export const endless: Start = (slip, options) => {
  const result = flame((on) => work(on, slip, () => sleep(2 ** 30, on.signal)), options);
  return { result };
};

/** Ends, but not at once when it is told to. */
const stubborn: Start = (slip, options) => {
  const result = flame(
    (on) => work(on, slip, () => new Promise((resolve) => setTimeout(resolve, 1_000, "stubborn"))),
    options,
  );
  return { result, rightValue: (value) => value === "stubborn" };
};

export const plain: Start = add;

/** Out of a thousand. */
const shares: readonly (readonly [Start, number])[] = [
  [compute, 120],
  [bytes, 120],
  [refuse, 120],
  [report, 100],
  [flaky, 60],
  [scratch, 60],
  [print, 30],
  [stubborn, 10],
  [offspring, 2],
];

export function anyJob(random: Random): Start {
  let drawn = random.between(0, 1_000);
  for (const [start, share] of shares) if ((drawn -= share) < 0) return start;
  return add;
}
