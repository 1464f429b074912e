import assert from "node:assert/strict";
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
  persist,
  source,
} from "./subject.ts";

export const objectCases: readonly StoreCase[] = [
  {
    name: "the store has a name and prices",
    async run({ driver }) {
      assert.match(driver.name, /^[a-z0-9]+:/);
      for (const price of [driver.prices.read, driver.prices.write]) assert.ok(Number.isFinite(price) && price >= 0);
    },
  },
  {
    name: "there is nothing where nothing was put",
    async run({ driver }) {
      await expectText(driver, "a", undefined);
      assert.equal(await driver.get("a", { ifNoneMatch: '"1"' }), undefined);
      assert.equal(await driver.read("a"), undefined);
      assert.equal(await driver.read("a", { ifMatch: '"1"' }), undefined);
      assert.deepEqual(await driver.list(""), { objects: [], more: false });
    },
  },
  {
    name: "what was put is there, byte by byte",
    async run({ driver }) {
      for (const body of [
        bytes(""),
        bytes("x"),
        Uint8Array.from({ length: 256 }, (_, at) => at),
        patterned(1_000_003),
      ]) {
        const etag = done(await driver.put("a", body));
        const got = await found(driver, "a");
        assert.equal(got.etag, etag);
        assert.ok(Buffer.from(got.body).equals(body), `a body of ${body.length} bytes`);
      }
    },
  },
  {
    name: "`head` knows of an object what `list` does, without its bytes",
    async run({ driver }) {
      assert.equal(await driver.head("a"), undefined);
      for (const [size, write] of [
        [0, () => driver.put("a", bytes(""))],
        [5, () => driver.put("a", bytes("12345"))],
        [700_001, () => driver.write("a", source(patterned(700_001)))],
      ] as const) {
        const etag = done(await write());
        await create(driver, "a and more", "x");
        const listed = (await driver.list("a")).objects[0]!;
        const { mark, modified, ...head } = (await driver.head("a"))!;
        assert.deepEqual({ key: "a", ...head }, { key: "a", etag: listed.etag, size: listed.size });
        assert.deepEqual([mark, head.etag, head.size], [undefined, etag, size]);
        // HTTP has dates of whole seconds.
        assert.ok(Math.abs(modified - listed.modified) < 1_000, `${modified} instead of ${listed.modified}`);
      }
      await driver.remove("a");
      assert.equal(await driver.head("a"), undefined);
    },
  },
  {
    name: "a mark stays until the object is written again",
    async run({ driver }) {
      const marks = ["0123456789abcdef01234567", "ffffffffffffffffffffff00"] as const;
      const markOf = async (key: string): Promise<string | undefined> => (await driver.head(key))?.mark;
      const etag = done(await driver.put("a", bytes("one"), { mark: marks[0] }));
      done(await driver.write("b", source("one"), { mark: marks[1] }));
      assert.deepEqual([await markOf("a"), await markOf("b")], marks);
      assert.equal(await driver.put("a", bytes("two"), { condition: "absent", mark: marks[1] }), "lost");
      await expectText(driver, "a", "one");
      assert.equal(await markOf("a"), marks[0]);
      done(await driver.put("a", bytes("two"), { condition: { ifMatch: etag }, mark: marks[1] }));
      assert.equal(await markOf("a"), marks[1]);
      done(await driver.write("a", source("three")));
      assert.equal(await markOf("a"), undefined);
      done(await driver.put("a", bytes("four"), { mark: marks[0] }));
      await driver.remove("a");
      done(await driver.put("a", bytes("five")));
      assert.equal(await markOf("a"), undefined);
    },
  },
  {
    name: "a mark stays with a body of many parts",
    async run({ driver }) {
      const mark = "00000000000000000000000a";
      done(await driver.write("a", source(patterned(9_000_000)), { mark }));
      assert.equal((await driver.head("a"))?.mark, mark);
    },
  },
  {
    name: "requests are counted by what they do",
    async run({ driver }) {
      const counted = async (request: () => Promise<unknown>): Promise<string[]> => {
        const before = { ...driver.counts };
        await request();
        return Object.entries(driver.counts).flatMap(([kind, count]) =>
          count > before[kind as keyof typeof before] ? [kind] : [],
        );
      };
      assert.deepEqual(await counted(() => driver.put("a", bytes("one"))), ["write"]);
      assert.deepEqual(await counted(() => driver.write("a", source("one"))), ["write"]);
      assert.deepEqual(await counted(() => driver.put("a", bytes("one"), { condition: "absent" })), ["write"]);
      assert.deepEqual(await counted(() => driver.get("a")), ["read"]);
      assert.deepEqual(await counted(() => driver.head("a")), ["read"]);
      assert.deepEqual(await counted(async () => drain(await opened(driver.read("a")))), ["read"]);
      assert.deepEqual(await counted(() => driver.list("")), ["list"]);
      assert.deepEqual(await counted(() => driver.remove("a")), ["write"]);
      const before = driver.counts.read;
      for (let round = 0; round < 5; round++) await driver.get("a");
      assert.equal(driver.counts.read - before, 5);
    },
  },
  {
    name: "a part of a larger buffer is put without the rest",
    async run({ driver }) {
      const whole = bytes("before-inside-after");
      done(await driver.put("a", whole.subarray(7, 13)));
      await expectText(driver, "a", "inside");
      done(await driver.write("b", source(whole.subarray(7, 10), whole.subarray(10, 13))));
      await expectText(driver, "b", "inside");
    },
  },
  {
    name: "what was put does not change when its buffer does",
    async run({ driver }) {
      const body = bytes("mine");
      done(await driver.put("a", body));
      body.fill(0);
      const got = await found(driver, "a");
      got.body.fill(1);
      const piece = bytes("mine");
      done(await driver.write("b", source(piece)));
      piece.fill(2);
      for await (const read of (await opened(driver.read("a"))).body) read.fill(3);
      await expectText(driver, "a", "mine");
      await expectText(driver, "b", "mine");
    },
  },
  {
    name: "every answered write is seen by the next request",
    async run({ driver }) {
      for (let round = 0; round < 10; round++) {
        const etag = await create(driver, "a", `round ${round}`);
        await expectText(driver, "a", `round ${round}`);
        const { objects } = await driver.list("a");
        assert.deepEqual(
          objects.map((each) => [each.key, each.etag]),
          [["a", etag]],
        );
        assert.equal((await opened(driver.read("a"))).etag, etag);
        if (round % 3 !== 2) continue;
        assert.equal(await driver.remove("a"), "done");
        await expectText(driver, "a", undefined);
        assert.equal(await driver.read("a"), undefined);
        assert.deepEqual(await keysOf(driver), []);
      }
    },
  },
  {
    name: "a write is seen by whoever else uses the store",
    needsTwo: true,
    async run({ driver, reopen }) {
      const other = await reopen();
      const etag = await create(driver, "a", "one");
      assert.equal((await found(other, "a")).etag, etag);
      const next = done(await other.put("a", bytes("two"), { condition: { ifMatch: etag } }));
      assert.equal(await driver.put("a", bytes("three"), { condition: { ifMatch: etag } }), "lost");
      assert.equal((await found(driver, "a")).etag, next);
      assert.equal(await other.remove("a", { ifMatch: next }), "done");
      await expectText(driver, "a", undefined);
      await other.close();
      await create(driver, "a", "four");
      await expectText(await reopen(), "a", "four");
    },
  },
  {
    name: "different contents never have the same etag",
    async run({ driver }) {
      const contents = new Map<string, string>();
      const note = (etag: string, text: string): void => {
        assert.equal(contents.get(etag) ?? text, text, `${etag} was the etag of something else`);
        contents.set(etag, text);
      };
      for (let round = 0; round < 12; round++) {
        const text = `text ${round % 5}`;
        note(await create(driver, "a", text), text);
        note(done(await driver.write("a", source(text, "-streamed"))), `${text}-streamed`);
        if (round % 4 === 3) await driver.remove("a");
      }
    },
  },
  {
    name: "an etag does not come back with the contents that it was of",
    async run({ driver }) {
      const etags = [await create(driver, "a", "A"), await create(driver, "a", "B"), await create(driver, "a", "A")];
      etags.push(await create(driver, "a", "A"));
      await driver.remove("a");
      etags.push(await create(driver, "a", "A"), done(await driver.write("a", source("A"))));
      assert.equal(new Set(etags).size, etags.length);
      assert.equal(await driver.put("a", bytes("C"), { condition: { ifMatch: etags[0]! } }), "lost");
    },
  },
  {
    name: '"unchanged" is said of the same etag only',
    async run({ driver }) {
      const first = await create(driver, "a", "one");
      assert.equal(await driver.get("a", { ifNoneMatch: first }), "unchanged");
      const second = await create(driver, "a", "two");
      assert.equal(await driver.get("a", { ifNoneMatch: second }), "unchanged");
      const got = await driver.get("a", { ifNoneMatch: first });
      assert.ok(typeof got === "object");
      assert.deepEqual([got.etag, Buffer.from(got.body).toString()], [second, "two"]);
      await driver.remove("a");
      assert.equal(await driver.get("a", { ifNoneMatch: second }), undefined);
    },
  },
  {
    name: "every request gives the same etag and size, and an age where there is one",
    async run({ driver }) {
      const etag = done(await driver.put("a", patterned(70_001)));
      const { ageMs } = await found(driver, "a");
      assert.ok(ageMs === undefined || (Number.isFinite(ageMs) && ageMs >= 0));
      const [info] = (await driver.list("a")).objects;
      assert.ok(info && Number.isFinite(info.modified) && info.modified > 0);
      assert.deepEqual({ ...info, modified: 0 }, { key: "a", etag, size: 70_001, modified: 0 });
      const stream = await opened(driver.read("a"));
      assert.deepEqual([stream.etag, stream.size], [etag, 70_001]);
      assert.equal((await drain(stream)).length, 70_001);
    },
  },
  {
    name: "removing leaves nothing, also where nothing was",
    async run({ driver }) {
      assert.equal(await driver.remove("a"), "done");
      await create(driver, "a", "one");
      await create(driver, "a/b", "two");
      assert.equal(await driver.remove("a"), "done");
      assert.equal(await driver.remove("a"), "done");
      await expectText(driver, "a", undefined);
      assert.equal(await driver.read("a"), undefined);
      assert.deepEqual(await keysOf(driver), ["a/b"]);
      assert.equal(await driver.remove("a/"), "done");
      await expectText(driver, "a/b", "two");
    },
  },
  {
    name: "a body is read whole while others write",
    async run({ driver }) {
      const body = (round: number): Uint8Array => new Uint8Array(150_000 + round * 1_000).fill(round);
      done(await driver.put("a", body(1)));
      let writing = true;
      const write = async (): Promise<void> => {
        for (let round = 2; round <= 20; round++) await persist(() => driver.put("a", body(round)));
      };
      const check = (seen: Uint8Array, size: number): void => {
        const round = seen[0]!;
        assert.equal(seen.length, size);
        assert.ok(Buffer.from(seen).equals(body(round)), "parts of two bodies");
      };
      const read = async (): Promise<void> => {
        do {
          const { body: seen } = await found(driver, "a");
          check(seen, 150_000 + seen[0]! * 1_000);
          const stream = await opened(driver.read("a"));
          check(await drain(stream), stream.size);
          // A store in memory answers before anything else has its turn.
          await new Promise((resolve) => setImmediate(resolve));
        } while (writing);
      };
      await Promise.all([write().finally(() => (writing = false)), read(), read()]);
    },
  },
];
