import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import {
  type StoreCase,
  bytes,
  create,
  done,
  drain,
  expectText,
  found,
  keysOf,
  opened,
  patterned,
  peek,
  persist,
  refusal,
  source,
  textOf,
} from "./subject.ts";

export const streamCases: readonly StoreCase[] = [
  {
    name: "a large body is read piece by piece",
    async run({ driver }) {
      const body = patterned(3_000_017);
      const etag = done(await driver.put("a", body));
      const stream = await opened(driver.read("a"));
      assert.deepEqual([stream.etag, stream.size], [etag, body.length]);
      assert.ok(Buffer.from(await drain(stream)).equals(body));
    },
  },
  {
    name: "a checksum is that of the whole object, if there is one",
    async run({ driver }) {
      const body = patterned(9_000_011);
      for (const write of [
        () => driver.put("a", body),
        () => driver.write("a", source(body.subarray(0, 7), body.subarray(7))),
      ]) {
        done(await write());
        for (const range of [{}, { start: 5 }, { start: 10, end: 20 }, { end: 0 }]) {
          const stream = await opened(driver.read("a", range));
          if (stream.crc32 !== undefined) assert.equal(stream.crc32, crc32(body), JSON.stringify(range));
          await drain(stream);
        }
      }
    },
  },
  {
    name: "a part of a body is from `start` up to `end`",
    async run({ driver }) {
      const etag = await create(driver, "a", "0123456789");
      const cases: [range: { start?: number; end?: number }, wanted: string][] = [
        [{}, "0123456789"],
        [{ start: 0 }, "0123456789"],
        [{ start: 3 }, "3456789"],
        [{ end: 4 }, "0123"],
        [{ start: 2, end: 5 }, "234"],
        [{ start: 9 }, "9"],
        [{ start: 0, end: 1 }, "0"],
        [{ start: 9, end: 10 }, "9"],
        [{ start: 5, end: 100 }, "56789"],
        [{ end: 10 }, "0123456789"],
        [{ start: 5, end: 5 }, ""],
        [{ start: 0, end: 0 }, ""],
        [{ end: 0 }, ""],
        [{ start: 10 }, ""],
        [{ start: 11 }, ""],
        [{ start: 500, end: 600 }, ""],
      ];
      for (const [range, wanted] of cases) {
        const stream = await opened(driver.read("a", range));
        assert.deepEqual([stream.etag, stream.size], [etag, 10], JSON.stringify(range));
        assert.equal(textOf(await drain(stream)), wanted, JSON.stringify(range));
      }
    },
  },
  {
    name: "parts of a large body are where they were",
    async run({ driver }) {
      const body = patterned(700_001);
      done(await driver.put("a", body));
      for (const [start, end] of [
        [65_535, 65_537],
        [131_072, 400_000],
        [699_990, 700_001],
        [262_143, 524_289],
      ] as const) {
        const part = await drain(await opened(driver.read("a", { start, end })));
        assert.ok(Buffer.from(part).equals(body.subarray(start, end)), `from ${start} to ${end}`);
      }
    },
  },
  {
    name: "an empty body has no part but the empty one",
    async run({ driver }) {
      done(await driver.write("a", source()));
      for (const range of [{}, { start: 0 }, { start: 0, end: 5 }, { start: 5 }]) {
        const stream = await opened(driver.read("a", range));
        assert.equal(stream.size, 0);
        assert.equal((await drain(stream)).length, 0);
      }
    },
  },
  {
    name: "reading is lost when the object has another etag",
    async run({ driver }) {
      const first = await create(driver, "a", "one");
      assert.equal(textOf(await drain(await opened(driver.read("a", { ifMatch: first })))), "one");
      const second = await create(driver, "a", "two");
      assert.equal(await driver.read("a", { ifMatch: first }), "lost");
      assert.equal(await driver.read("a", { ifMatch: first, start: 1, end: 2 }), "lost");
      assert.equal(textOf(await drain(await opened(driver.read("a", { ifMatch: second, start: 1 })))), "wo");
      await driver.remove("a");
      assert.equal(await driver.read("a", { ifMatch: second }), undefined);
    },
  },
  {
    name: "a body is written from many pieces of any size",
    async run({ driver }) {
      const body = patterned(1_500_000);
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (let at = 0, size = 1; at < body.length; at += size, size = (size * 3) % 100_003)
          yield body.subarray(at, at + size);
        yield new Uint8Array();
      }
      const etag = done(await driver.write("a", pieces()));
      const got = await found(driver, "a");
      assert.equal(got.etag, etag);
      assert.ok(Buffer.from(got.body).equals(body));
    },
  },
  {
    name: "a source may use its buffer again for the next piece",
    async run({ driver }) {
      const buffer = new Uint8Array(1_000);
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (let round = 1; round <= 50; round++) yield buffer.fill(round);
        buffer.fill(0);
      }
      done(await driver.write("a", pieces()));
      const { body } = await found(driver, "a");
      assert.deepEqual([body.length, body[0], body[25_000], body.at(-1)], [50_000, 1, 26, 50]);
    },
  },
  {
    name: "of many who write to the same key at the same time exactly one creates it",
    async run({ driver }) {
      const outcomes = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          persist(() => driver.write("a", source(`writer `, `${index}`), { condition: "absent" })),
        ),
      );
      const winners = outcomes.flatMap((outcome, index) => (outcome === "lost" ? [] : [index]));
      assert.equal(winners.length, 1);
      await expectText(driver, "a", `writer ${winners[0]}`);
    },
  },
  {
    name: "a write whose source throws leaves nothing",
    async run({ driver }) {
      async function* broken(pieces: number): AsyncGenerator<Uint8Array> {
        for (let index = 0; index < pieces; index++) yield patterned(300_000);
        throw new Error("the source broke");
      }
      for (const pieces of [0, 1, 4]) await refusal(driver.write("a/b", broken(pieces)));
      await expectText(driver, "a/b", undefined);
      assert.deepEqual(await keysOf(driver), []);
      await create(driver, "a/b", "whole");
      await refusal(driver.write("a/b", broken(2)));
      await expectText(driver, "a/b", "whole");
    },
  },
  {
    name: "a source is asked at once, so that a stream that fails has somebody who listens",
    async run({ driver }) {
      const stream = new Readable({ read: () => undefined });
      stream.destroy(new Error("the stream broke"));
      // Without a listener this would be thrown at the process.
      let heard = false;
      stream.once("newListener", () => (heard = true));
      const error = refusal(driver.write("a", stream));
      const inTime = heard;
      stream.on("error", () => undefined);
      assert.match(String(await error), /broke|abort/i);
      assert.ok(inTime, "nobody listened");
      assert.deepEqual(await keysOf(driver), []);
    },
  },
  {
    name: "nothing of a body is seen before all of it is there",
    async run({ driver }) {
      const seen: unknown[] = [];
      async function* watched(): AsyncGenerator<Uint8Array> {
        yield patterned(300_000);
        seen.push((await peek(driver, "a"))?.length, await keysOf(driver));
        yield patterned(300_000);
        seen.push((await peek(driver, "a"))?.length, await keysOf(driver));
      }
      done(await driver.write("a", watched()));
      assert.deepEqual(seen, [undefined, [], undefined, []]);
      assert.equal((await found(driver, "a")).body.length, 600_000);
    },
  },
  {
    name: "the condition of a write is judged when the body is there",
    async run({ driver }) {
      async function* overtaken(): AsyncGenerator<Uint8Array> {
        yield bytes("late ");
        await driver.put("a", bytes("early"));
        yield bytes("body");
      }
      assert.equal(await driver.write("a", overtaken(), { condition: "absent" }), "lost");
      const { etag } = await found(driver, "a");
      assert.equal(await driver.write("a", overtaken(), { condition: { ifMatch: etag } }), "lost");
      await expectText(driver, "a", "early");
    },
  },
  {
    name: "a reader may leave early, and what it read stays as it was",
    async run({ driver }) {
      const body = patterned(2_000_000);
      done(await driver.put("a", body));
      for (let round = 0; round < 5; round++) {
        for await (const piece of (await opened(driver.read("a"))).body) {
          assert.ok(Buffer.from(piece).equals(body.subarray(0, piece.length)));
          break;
        }
      }
      const iterator = (await opened(driver.read("a"))).body[Symbol.asyncIterator]();
      await iterator.return?.();
      await create(driver, "a", "next");
      await expectText(driver, "a", "next");
    },
  },
  {
    name: "who has begun to read reads that one version to its end",
    async run({ driver }) {
      const body = patterned(300_000);
      done(await driver.put("a", body));
      const stream = await opened(driver.read("a"));
      const rest = drain(stream);
      for (let round = 0; round < 12; round++) await create(driver, "a", `round ${round}`);
      await driver.remove("a");
      assert.ok(Buffer.from(await rest).equals(body));
    },
  },
];
