import assert from "node:assert/strict";
import type { StoreDriver } from "../../ports/store.ts";
import { inOrder } from "./keys.ts";
import { type StoreCase, bytes, create, keysOf } from "./subject.ts";

async function fill(driver: StoreDriver, keys: readonly string[]): Promise<void> {
  for (const key of keys) await driver.put(key, bytes("x"));
}

const tree = [
  "a",
  "a!",
  "a/",
  "a/b",
  "a/b/c",
  "a/b0",
  "a/\u{1f600}",
  "a/\uff5e",
  "a0",
  "a\u00e9",
  "aB",
  "ab",
  "b",
  "b/a",
  "\u{1f600}",
];

export const listCases: readonly StoreCase[] = [
  {
    name: "a list is in the order of UTF-8",
    async run({ driver }) {
      const keys = [
        "b",
        "a/b",
        "a-b",
        "a",
        "a0",
        "aa",
        "B",
        "\u{1f600}",
        "\uff5e",
        "\u00e9",
        "z",
        "a/",
        "a//",
        "\ue000",
        "\u{10ffff}",
        "~",
      ];
      await fill(driver, keys);
      assert.deepEqual(await keysOf(driver), inOrder(keys));
      assert.notDeepEqual(inOrder(keys), keys.toSorted(), "keys that would not tell");
    },
  },
  {
    name: "a list has the keys with the prefix, wherever it ends",
    async run({ driver }) {
      await fill(driver, tree.toReversed());
      for (const prefix of [...tree, "", "a/b/", "a//", "c", "A", "a/b/c/d", "\u00e9", "a\u00e9/", ".", "/"]) {
        const wanted = inOrder(tree.filter((key) => key.startsWith(prefix)));
        assert.deepEqual(await keysOf(driver, prefix), wanted, `with prefix ${JSON.stringify(prefix)}`);
      }
    },
  },
  {
    name: "a list begins after `after`, whether that exists or not",
    async run({ driver }) {
      await fill(driver, tree);
      const ordered = inOrder(tree);
      for (const after of [...tree, "a.", "a/a", "a/b/", "a/c", "A", "zz", "\u{1f600}\u{1f600}", "!"]) {
        for (const prefix of ["", "a", "a/", "b"]) {
          const wanted = ordered.filter(
            (key) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0,
          );
          const what = `after ${JSON.stringify(after)} with prefix ${JSON.stringify(prefix)}`;
          assert.deepEqual(await keysOf(driver, prefix, after), wanted, what);
        }
      }
    },
  },
  {
    name: "a long list comes in parts, and nothing is there twice or missing",
    async run({ driver, page }) {
      const keys = Array.from(
        { length: page === undefined ? 30 : page * 3 },
        (_, index) => `k/${index}/${"x".repeat(index % 3)}`,
      );
      await fill(driver, [...keys, "other"]);
      assert.deepEqual(await keysOf(driver, "k/"), inOrder(keys));
      assert.deepEqual(await keysOf(driver), inOrder([...keys, "other"]));
      if (page === undefined) return;
      const first = await driver.list("k/");
      assert.deepEqual([first.objects.length, first.more], [page, true]);
      const last = await driver.list("k/", { after: inOrder(keys).at(-1 - page)! });
      assert.deepEqual([last.objects.length, last.more], [page, false]);
      assert.equal((await driver.list("k/", { after: inOrder(keys).at(-2 - page)! })).more, true);
    },
  },
  {
    name: "a list tells what is there now",
    async run({ driver }) {
      const etags = [
        await create(driver, "a", "one"),
        await create(driver, "b", "four"),
        await create(driver, "c", ""),
      ];
      await driver.remove("b");
      etags[0] = await create(driver, "a", "longer");
      const { objects, more } = await driver.list("");
      assert.equal(more, false);
      assert.deepEqual(
        objects.map(({ key, etag, size }) => ({ key, etag, size })),
        [
          { key: "a", etag: etags[0], size: 6 },
          { key: "c", etag: etags[2], size: 0 },
        ],
      );
    },
  },
  {
    name: "what is removed does not stop a list",
    async run({ driver, page = 10 }) {
      const keys = Array.from({ length: page * 3 }, (_, index) => `k${String(index).padStart(4, "0")}`);
      await fill(driver, keys);
      for (const key of keys.slice(0, page + 1)) await driver.remove(key);
      assert.deepEqual(await keysOf(driver), keys.slice(page + 1));
      for (const key of keys) await driver.remove(key);
      assert.deepEqual(await driver.list(""), { objects: [], more: false });
    },
  },
];
