import * as fc from "fast-check";
import { expect, test } from "vitest";
import { WaitingCalls } from "../../src/pool/queue.ts";

/** Takes all, first one first. */
function drain(queue: WaitingCalls): number[] {
  const order: number[] = [];
  for (let call = queue.first(); call !== undefined; call = queue.first()) {
    order.push(call);
    queue.delete(call);
  }
  return order;
}

test("an empty queue has no first call", () => {
  const queue = new WaitingCalls();
  expect(queue.first()).toBeUndefined();
  expect(queue.size).toBe(0);
  expect([...queue]).toEqual([]);
});

test("calls of one priority leave in the order in which they came", () => {
  const queue = new WaitingCalls();
  for (const call of [5, 3, 9]) queue.add(call, 0);
  expect(drain(queue)).toEqual([5, 3, 9]);
});

test("a higher priority leaves first, whatever its number", () => {
  const queue = new WaitingCalls();
  for (const [call, priority] of [0, -5, 1e12, 0.5, 1e12, -Infinity].entries()) queue.add(call, priority);
  expect(drain(queue)).toEqual([2, 4, 3, 0, 1, 5]);
});

test("first() only looks", () => {
  const queue = new WaitingCalls();
  queue.add(1, 0);
  expect([queue.first(), queue.first(), queue.size]).toEqual([1, 1, 1]);
});

test("a call is taken out of the middle, once", () => {
  const queue = new WaitingCalls();
  for (const call of [1, 2, 3]) queue.add(call, 0);
  expect([queue.has(2), queue.delete(2), queue.has(2), queue.delete(2), queue.delete(9)]).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(drain(queue)).toEqual([1, 3]);
});

test("iteration is in order of arrival", () => {
  const queue = new WaitingCalls();
  for (const [call, priority] of [1, 3, 2].entries()) queue.add(call, priority);
  expect([...queue]).toEqual([0, 1, 2]);
});

test("it orders like a stable sort, whatever comes and goes in between", () => {
  const change = fc.oneof(
    fc.record({ add: fc.integer({ min: -3, max: 3 }) }),
    fc.record({ remove: fc.nat({ max: 100 }) }),
    fc.constant({ take: true as const }),
  );
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200, size: "max" }), (changes) => {
      const queue = new WaitingCalls();
      let model: { call: number; priority: number }[] = [];
      let next = 0;
      const firsts: unknown[] = [];
      const wanted: unknown[] = [];
      for (const found of changes) {
        if ("add" in found) {
          queue.add(next, found.add);
          model.push({ call: next++, priority: found.add });
          model = model.toSorted((left, right) => right.priority - left.priority || left.call - right.call);
        } else {
          const call = "take" in found ? model[0]?.call : model[found.remove % (model.length || 1)]?.call;
          firsts.push(queue.delete(call ?? -1));
          wanted.push(call !== undefined);
          model = model.filter((waiting) => waiting.call !== call);
        }
        firsts.push(queue.first(), queue.size);
        wanted.push(model[0]?.call, model.length);
      }
      expect(firsts).toEqual(wanted);
      expect(drain(queue)).toEqual(model.map(({ call }) => call));
    }),
    { numRuns: 300 },
  );
});

test("a hundred thousand calls, each of a priority of its own, leave no lane behind them", () => {
  const queue = new WaitingCalls();
  queue.add(-1, -1);
  for (let call = 0; call < 100_000; call++) {
    queue.add(call, call);
    expect(queue.first()).toBe(call);
    queue.delete(call);
  }
  expect(queue.first()).toBe(-1);
});
