import { expect, test } from "vitest";
import type { Cell } from "../../src/store/cell.ts";
import { explain } from "./linear.ts";
import { type WorldOptions, live } from "./world.ts";

const seeds = Array.from({ length: 150 }, (_, index) => 1_000 + index);

test.each([
  ["few faults", { processes: 4, callers: 2, rounds: 8, faults: 0.05 }],
  ["many faults", { processes: 3, callers: 2, rounds: 6, faults: 0.5 }],
  ["many processes", { processes: 10, callers: 1, rounds: 4, faults: 0.2 }],
] satisfies [string, WorldOptions][])(
  "what processes see of a cell has one order: %s",
  async (_name, options) => {
    let [operations, failed, unknown] = [0, 0, 0];
    for (const seed of seeds) {
      const world = await live(seed, options);
      operations += world.history.length;
      failed += world.failed;
      unknown += world.unknown;
      expect(explain("0", world.history), `seed ${seed}`).toBeUndefined();
    }
    // Most are answered, whatever happens on the way.
    expect(operations).toBeGreaterThan(1_000);
    expect(failed + unknown).toBeLessThan(operations / 10);
  },
  60_000,
);

const broken: [string, (cell: Cell<number>) => Cell<number>][] = [
  [
    "that reads and then sets",
    (cell) =>
      wrap(cell, {
        update: async (change) => {
          const next = await change(await cell.get());
          await cell.set(next);
          return next;
        },
      }),
  ],
  [
    "that answers reads from what it has seen",
    (cell) => {
      let seen: number | undefined;
      return wrap(cell, { get: async () => (seen ??= await cell.get()) });
    },
  ],
];

function wrap(cell: Cell<number>, methods: Partial<Cell<number>>): Cell<number> {
  return {
    key: cell.key,
    get: () => cell.get(),
    set: (value) => cell.set(value),
    update: (change) => cell.update(change),
    watch: () => cell.watch(),
    ...methods,
  };
}

test.each(broken)(
  "the check finds a cell %s",
  async (_name, make) => {
    const found: unknown[] = [];
    for (const seed of seeds.slice(0, 10)) {
      const { history } = await live(seed, { processes: 3, callers: 2, rounds: 6, faults: 0.2, broken: make });
      if (explain("0", history) !== undefined) found.push(seed);
    }
    expect(found).not.toEqual([]);
  },
  60_000,
);
