/** A batch on its runner, with time that stands still. */
import { expect, test } from "vitest";
import { Batch } from "../../runners/batch.ts";
import type { Call } from "../../runners/call.ts";
import type { LiveValue, Payload } from "../../src/value/port.ts";
import { unpackBatch } from "../../src/wire/batch.ts";
import { FakeClock } from "../harness/fake-clock.ts";

type Work = () => unknown;

const payload = (text: string): Payload => ({ bytes: Buffer.from(text), buffers: [] });
const texts = (value: Payload): string =>
  unpackBatch(value)
    .entries.map((entry) => `${entry.failed ? "!" : ""}${Buffer.from(entry.value.bytes.subarray(0, 10)).toString()}`)
    .join(" ");

/** Runs works as items; what is told is a line each: `part`, `returned` or `finish`, and the results. */
function run(works: readonly Work[], clock = new FakeClock()) {
  const told: string[] = [];
  const calls: { controller: AbortController; cleaned: boolean; cleaning?: Promise<void> }[] = [];
  const context = (): Call => {
    const call: (typeof calls)[number] = { controller: new AbortController(), cleaned: false };
    calls.push(call);
    return {
      get signalNow() {
        return call.controller.signal;
      },
      cleanUp() {
        call.cleaned = true;
        return call.cleaning;
      },
    } as unknown as Call;
  };
  const batch = new Batch(
    works.map((_, index) => payload(String(index))),
    context(),
    {
      clock,
      context,
      run: (_, item) => works[Number(Buffer.from(item.bytes).toString())]!(),
      encode: (_, result) => (typeof result === "object" ? (result as Payload) : payload(String(result))),
      encodeFailure: (error) => payload((error as Error).message),
      part: (value, returned) => void told.push(`${returned ? "returned" : "part"} ${texts(value)}`.trim()),
      finish: (_, value) => void told.push(`finish ${texts(value)}`.trim()),
    },
  );
  batch.run();
  return { clock, told, calls };
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test("runs its items one after another, each in a context that is cleaned up, and tells all at the end", async () => {
  const later = Promise.withResolvers<string>();
  const works: Work[] = [
    () => "a",
    () => later.promise,
    () => {
      throw new Error("c");
    },
    () => "d",
  ];
  const { told, calls } = run(works);
  expect([told, calls.length]).toEqual([[], 2]);
  later.resolve("b");
  await turn();
  expect(told).toEqual(["finish a b !c d"]);
  expect(calls.map(({ cleaned }) => cleaned)).toEqual([true, true, true, false]);
});

test("begins the next item when nothing of the last one is left", async () => {
  const later = Promise.withResolvers<string>();
  const { promise: cleaning, resolve: clean } = Promise.withResolvers<void>();
  const { told, calls } = run([() => later.promise, () => "b"]);
  Object.assign(calls[0]!, { cleaning });
  later.resolve("a");
  await turn();
  expect([told, calls.length]).toEqual([[], 1]);
  clean();
  await turn();
  expect([told, calls.length]).toEqual([["finish a b"], 2]);
});

test("ends behind an item that has used up its time, and the others are not begun", () => {
  const clock = new FakeClock();
  const work =
    (result: string, ms: number): Work =>
    () => {
      clock.advance(ms);
      return result;
    };
  const { told, calls } = run([work("a", 4), work("b", 2), work("c", 0)], clock);
  expect([told, calls.length]).toEqual([["finish a b"], 2]);
});

test("tells what it has, and gives back what it has not begun, when an item is not done in time", async () => {
  const slow = Promise.withResolvers<string>();
  const { clock, told } = run([() => "a", () => slow.promise, () => "c"]);
  clock.advance(4);
  expect(told).toEqual([]);
  clock.advance(1);
  expect(told).toEqual(["returned a"]);
  clock.advance(1_000);
  slow.resolve("b");
  await turn();
  expect(told).toEqual(["returned a", "finish b"]);
  expect(clock.pending()).toBe(0);
});

test("begins nothing more when it is cancelled", async () => {
  const slow = Promise.withResolvers<string>();
  const { told, calls } = run([() => slow.promise, () => "b"]);
  calls[0]!.controller.abort();
  slow.resolve("a");
  await turn();
  expect(told).toEqual(["finish a"]);
});

test("tells results before they are many bytes, those with memory by themselves, and ends with one that is live", async () => {
  const long = "x".repeat(40_000);
  const memory: Payload = { bytes: Buffer.from("m"), buffers: [Buffer.alloc(1)] };
  const live: Payload = { ...payload("l"), live: [{} as LiveValue] };
  const { told } = run([() => long, () => long, () => "a", () => memory, () => "b", () => live, () => "never"]);
  expect(told).toEqual([`part ${"x".repeat(10)}`, `part ${"x".repeat(10)} a`, "part m", "part b", "finish l"]);
  const blob = { ...payload("p"), pending: turn() };
  const waiting = run([() => blob, () => "c"]);
  expect(waiting.told).toEqual([]);
  await blob.pending;
  await turn();
  expect(waiting.told).toEqual(["part p", "finish c"]);
});
