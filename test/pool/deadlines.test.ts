import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Deadlines } from "../../src/pool/deadlines.ts";
import { FakeClock } from "../harness/fake-clock.ts";

function lab() {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const expired: string[] = [];
  const add = (delayMs: number, name = String(delayMs)) => deadlines.add(delayMs, () => expired.push(name));
  return { clock, deadlines, expired, add };
}

test("a wait expires once, at its time and not before", () => {
  const { clock, expired, add } = lab();
  add(100);
  clock.advance(99);
  expect(expired).toEqual([]);
  clock.advance(1);
  expect(expired).toEqual(["100"]);
  clock.advance(1_000);
  expect(expired).toEqual(["100"]);
});

test("waits of many lengths share one timer", () => {
  const { clock, add } = lab();
  for (let index = 0; index < 100; index++) add(1_000 - index);
  expect(clock.pending()).toBe(1);
});

test("waits expire in order of their time, also when several are due at once", () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines({ ...stuck(clock), timer: (_, fire) => clock.timer(1_000, fire) });
  const expired: number[] = [];
  for (const delay of [500, 100, 300, 200, 400]) deadlines.add(delay, () => expired.push(delay));
  clock.advance(2_000);
  expect(expired).toEqual([100, 200, 300, 400, 500]);
});

test("a wait that is late because the process was stopped gives one turn to what has come meanwhile", () => {
  let now = 0;
  const timers: { delayMs: number; fire: () => void }[] = [];
  const deadlines = new Deadlines({
    now: () => now,
    wall: () => now,
    timer: (delayMs, fire) => {
      timers.push({ delayMs, fire });
      return { cancel: () => undefined, hold: () => undefined };
    },
  });
  const expired: string[] = [];
  const answered = deadlines.add(1_000, () => expired.push("answered"));
  deadlines.add(1_000, () => expired.push("silent"));
  now = 60_000;
  timers.shift()!.fire();
  expect([expired, timers.map(({ delayMs }) => delayMs)]).toEqual([[], [1]]);
  // The answer was in the socket all the time.
  answered.cancel();
  now += 1;
  timers.shift()!.fire();
  expect(expired).toEqual(["silent"]);
});

/** The clock without its prototype, to be spread. */
function stuck(clock: FakeClock) {
  return { now: () => clock.now(), wall: () => clock.wall() };
}

test("endless waits cost nothing", () => {
  const { clock, deadlines, add } = lab();
  add(Infinity);
  add(Infinity).cancel();
  expect([clock.pending(), deadlines.size]).toEqual([0, 0]);
});

test("a wait of no time expires when the clock moves, never within add()", () => {
  const { clock, expired, add } = lab();
  add(0);
  expect(expired).toEqual([]);
  clock.advance(0);
  expect(expired).toEqual(["0"]);
});

describe("cancel", () => {
  test("a cancelled wait never expires, and others do", () => {
    const { clock, expired, add } = lab();
    const first = add(100, "first");
    add(100, "second");
    first.cancel();
    clock.advance(200);
    expect(expired).toEqual(["second"]);
  });

  test("it may come twice, late, or from within another that expires", () => {
    const { clock, deadlines, expired } = lab();
    deadlines.add(100, () => {
      expired.push("first");
      second.cancel();
    });
    const second = deadlines.add(100, () => expired.push("second"));
    clock.advance(100);
    expect(expired).toEqual(["first"]);
    second.cancel();
    second.cancel();
    expect(deadlines.size).toBe(0);
  });

  test("of one that is due already does not touch those that are not", () => {
    const { clock, deadlines, expired, add } = lab();
    deadlines.add(100, () => second.cancel());
    const second = add(100, "second");
    clock.advance(50);
    add(100, "third");
    clock.advance(200);
    expect(expired).toEqual(["third"]);
  });

  test("cancelled waits give their memory back long before their time", () => {
    const { deadlines, add } = lab();
    for (let index = 0; index < 20; index++) add(60_000, `kept ${index}`);
    for (let index = 0; index < 100_000; index++) add(60_000).cancel();
    expect(deadlines.size).toBeLessThan(1_000);
  });

  test("cancelled waits give it back also when each has a length of its own", () => {
    const { deadlines, add } = lab();
    for (let index = 0; index < 10_000; index++) add(60_000 + index).cancel();
    expect(deadlines.size).toBe(0);
  });

  test("what was cancelled and is gone is not counted again: no live wait is taken for a cancelled one", () => {
    const { clock, expired, add } = lab();
    const waits = Array.from({ length: 600 }, () => add(1_000));
    for (const wait of waits.slice(0, 300)) wait.cancel();
    add(1_000).cancel();
    add(100).cancel();
    add(100);
    const early = [add(200), add(200)];
    early[0]!.cancel();
    clock.advance(50);
    const late = [add(200), add(200, "last of its line")];
    clock.advance(150);
    late[0]!.cancel();
    clock.advance(1_000);
    expect(expired).toContain("last of its line");
    expect(expired).toHaveLength(300 + 3);
  });

  test("compaction loses none and changes no order", () => {
    const { clock, expired, add } = lab();
    const kept: string[] = [];
    for (let index = 0; index < 2_000; index++) {
      const name = String(index);
      const deadline = add(1_000, name);
      if (index % 3 === 0) kept.push(name);
      else deadline.cancel();
    }
    clock.advance(1_000);
    expect(expired).toEqual(kept);
  });
});

test("a wait that begins while others expire has its full time", () => {
  const { clock, deadlines, expired } = lab();
  deadlines.add(100, () => void deadlines.add(100, () => expired.push("later")));
  clock.advance(199);
  expect(expired).toEqual([]);
  clock.advance(1);
  expect(expired).toEqual(["later"]);
});

test("one that throws does not keep the others from expiring", () => {
  const { clock, deadlines, expired, add } = lab();
  add(100, "before");
  deadlines.add(100, () => expect.fail("broken"));
  add(100, "after");
  add(200, "later");
  expect(() => clock.advance(100)).toThrow("broken");
  expect(expired).toEqual(["before", "after"]);
  clock.advance(100);
  expect(expired).toEqual(["before", "after", "later"]);
});

test("close() ends all waits and the timer, and a cancel after it is harmless", () => {
  const { clock, deadlines, expired, add } = lab();
  const deadline = add(100);
  deadlines.close();
  expect(clock.pending()).toBe(0);
  add(100, "after");
  deadline.cancel();
  clock.advance(1_000);
  expect(expired).toEqual(["after"]);
});

test("a timer that comes too early is armed again", () => {
  const clock = new FakeClock();
  let early = true;
  const hasty = {
    ...stuck(clock),
    timer: (delayMs: number, fire: () => void) => {
      const timer = clock.timer(early ? delayMs - 1 : delayMs, fire);
      early = false;
      return timer;
    },
  };
  const expired: number[] = [];
  new Deadlines(hasty).add(100, () => expired.push(clock.now()));
  const start = clock.now();
  clock.advance(200);
  expect(expired).toEqual([start + 100]);
});

test("any waits and cancels expire as timers of their own would", () => {
  const change = fc.oneof(
    fc.record({ add: fc.constantFrom(0, 10, 20, 35, 50) }),
    fc.record({ cancel: fc.nat({ max: 50 }) }),
    fc.record({ advance: fc.nat({ max: 30 }) }),
  );
  fc.assert(
    fc.property(fc.array(change, { maxLength: 100, size: "max" }), (changes) => {
      const clock = new FakeClock();
      const deadlines = new Deadlines(clock);
      const expired: number[] = [];
      const wanted: number[] = [];
      const both: { cancel(): void }[] = [];
      for (const found of changes) {
        if ("add" in found) {
          const id = both.length;
          const deadline = deadlines.add(found.add, () => expired.push(id));
          const timer = clock.timer(found.add, () => wanted.push(id));
          both.push({ cancel: () => [deadline, timer].forEach((each) => each.cancel()) });
        } else if ("cancel" in found) both[found.cancel]?.cancel();
        else clock.advance(found.advance);
        // Within one moment the order between lengths is free.
        if (!("advance" in found)) continue;
        expect(expired.toSorted((a, b) => a - b)).toEqual(wanted.toSorted((a, b) => a - b));
      }
      clock.advance(1_000);
      expect(expired.length).toBe(wanted.length);
      expect(deadlines.size).toBe(0);
    }),
    { numRuns: 300 },
  );
});
