import assert from "node:assert/strict";
import type { StoreDriver } from "../../ports/store.ts";
import {
  type StoreCase,
  bytes,
  create,
  done,
  expectText,
  found,
  isMaybe,
  keysOf,
  peek,
  persist,
  source,
  textOf,
} from "./subject.ts";

const times = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Adds a line of its own to the object, and tries until it is there. A line that is there after "lost" is a broken promise. */
async function append(driver: StoreDriver, key: string, line: string, streamed = false): Promise<void> {
  let doubtful = false;
  for (let attempt = 0; attempt < 1_000; attempt++) {
    const got = await persist(() => driver.get(key));
    assert.notEqual(got, "unchanged");
    const now = typeof got === "object" ? got : undefined;
    const lines = now ? textOf(now.body).split("\n") : [];
    if (lines.includes(line)) {
      assert.ok(doubtful, "a write that was lost was done");
      return;
    }
    const next = [...lines, line].join("\n");
    const condition = now ? { ifMatch: now.etag } : "absent";
    try {
      const outcome = await persist(() =>
        streamed ? driver.write(key, source(next), { condition }) : driver.put(key, bytes(next), { condition }),
      );
      if (outcome !== "lost") return;
    } catch (error) {
      if (!isMaybe(error)) throw error;
      doubtful = true;
    }
  }
  assert.fail("others were faster a thousand times");
}

export const conditionCases: readonly StoreCase[] = [
  {
    name: '"absent" creates where nothing is, and does nothing where something is',
    async run({ driver }) {
      const etag = done(await driver.put("a", bytes("one"), { condition: "absent" }));
      assert.equal(await driver.put("a", bytes("two"), { condition: "absent" }), "lost");
      assert.equal(await driver.write("a", source("two"), { condition: "absent" }), "lost");
      await expectText(driver, "a", "one");
      assert.equal((await found(driver, "a")).etag, etag);
      await driver.remove("a");
      done(await driver.write("a", source("three"), { condition: "absent" }));
      await expectText(driver, "a", "three");
    },
  },
  {
    name: "`ifMatch` replaces what has this etag, and nothing else",
    async run({ driver }) {
      const first = await create(driver, "a", "one");
      const second = done(await driver.put("a", bytes("two"), { condition: { ifMatch: first } }));
      assert.equal(await driver.put("a", bytes("three"), { condition: { ifMatch: first } }), "lost");
      assert.equal(await driver.write("a", source("three"), { condition: { ifMatch: first } }), "lost");
      await expectText(driver, "a", "two");
      const third = done(await driver.write("a", source("th", "ree"), { condition: { ifMatch: second } }));
      assert.equal(await driver.put("a", bytes("four"), { condition: { ifMatch: second } }), "lost");
      assert.equal((await found(driver, "a")).etag, third);
      await expectText(driver, "a", "three");
    },
  },
  {
    name: "`ifMatch` never holds where nothing is",
    async run({ driver }) {
      const etag = await create(driver, "other", "x");
      assert.equal(await driver.put("a", bytes("one"), { condition: { ifMatch: etag } }), "lost");
      assert.equal(await driver.write("a", source("one"), { condition: { ifMatch: etag } }), "lost");
      await driver.remove("other");
      assert.equal(await driver.put("other", bytes("one"), { condition: { ifMatch: etag } }), "lost");
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: "without a condition the last one holds",
    async run({ driver }) {
      await create(driver, "a", "one");
      const etag = done(await driver.write("a", source("two")));
      assert.equal((await found(driver, "a")).etag, etag);
      await Promise.all(times(20).map((index) => persist(() => driver.put("a", bytes(`writer ${index}`)))));
      assert.match((await peek(driver, "a")) ?? "", /^writer \d+$/);
      await create(driver, "a", "last");
      await expectText(driver, "a", "last");
    },
  },
  {
    name: "`ifMatch` removes what has this etag, and nothing else",
    async run({ driver }) {
      const first = await create(driver, "a", "one");
      const second = await create(driver, "a", "two");
      assert.equal(await driver.remove("a", { ifMatch: first }), "lost");
      await expectText(driver, "a", "two");
      assert.equal(await driver.remove("a", { ifMatch: second }), "done");
      await expectText(driver, "a", undefined);
      assert.equal(await driver.remove("a", { ifMatch: second }), "done");
    },
  },
  {
    name: "of 50 who create at the same time exactly one does",
    async run({ driver }) {
      const outcomes = await Promise.all(
        times(50).map((index) => persist(() => driver.put("a", bytes(`creator ${index}`), { condition: "absent" }))),
      );
      const winners = times(50).filter((index) => outcomes[index] !== "lost");
      assert.equal(winners.length, 1);
      const got = await found(driver, "a");
      assert.equal(got.etag, done(outcomes[winners[0]!]!));
      assert.equal(textOf(got.body), `creator ${winners[0]}`);
    },
  },
  {
    name: "of many who replace or remove the same at most one does",
    async run({ driver }) {
      for (let round = 0; round < 6; round++) {
        const ifMatch = await create(driver, "a", `round ${round}`);
        const condition = { ifMatch };
        const starts = [
          () => persist(() => driver.put("a", bytes("put"), { condition })),
          () => persist(() => driver.write("a", source("written"), { condition })),
          () => persist(() => driver.remove("a", { ifMatch })),
        ];
        // Who comes first is another one in each round.
        const order = times(18).map((index) => (index + round) % 3);
        const outcomes = await Promise.all(order.map((which) => starts[which]!()));
        const replaced = outcomes.filter((outcome) => typeof outcome === "object").length;
        const removed = outcomes.includes("done");
        assert.equal(replaced + Number(removed), 1);
        assert.equal((await peek(driver, "a")) === undefined, removed);
      }
    },
  },
  {
    name: "50 who add to the same object at the same time lose nothing",
    async run({ driver }) {
      await Promise.all(times(50).map((index) => append(driver, "a", `line ${index}`, index % 5 === 0)));
      const lines = (await peek(driver, "a"))!.split("\n");
      assert.equal(lines.length, 50);
      assert.equal(new Set(lines).size, 50);
    },
  },
  {
    name: "those who add to the same object from two sides lose nothing",
    needsTwo: true,
    async run({ driver, reopen }) {
      const drivers = [driver, await reopen(), await reopen()];
      await Promise.all(times(30).map((index) => append(drivers[index % 3]!, "a", `line ${index}`)));
      const lines = (await peek(driver, "a"))!.split("\n");
      assert.deepEqual([lines.length, new Set(lines).size], [30, 30]);
    },
  },
];
