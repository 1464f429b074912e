import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { StoreDriver } from "../../ports/store.ts";
import { type StoreCase, type Subject, create, done, expectText, keysOf, refusal, source } from "./subject.ts";

/** In the order of UTF-8, which is not that of JavaScript: that has "\u{ff5e}" after "\u{1f600}". */
export const inOrder = (keys: Iterable<string>): string[] =>
  [...keys].toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));

const odd = [
  [".", "..", "./a", "../a", "a/..", "a/../b", "a/./b", "...", ".tmp", ".tmp/a"],
  ["/", "//", "/a", "a/", "a//b", "a///b", "/a/", "a/b/"],
  [
    " ",
    " a",
    "a ",
    "a b",
    "+",
    "a+b",
    "%",
    "%41",
    "%2f",
    "a%",
    "%%",
    "?",
    "?a=b",
    "#",
    "a&b=c",
    ";",
    ":",
    "a:b",
    "*",
    "|",
  ],
  ["@", "@1", "a/@1", "a/@", "@/1", "a/@/0000000000000001", "0000000000000001", "1"],
  ["<", ">", "&amp;", '"', "'", "`", "\\", "a\\b", "$HOME", "~", "{}", "[x]", "^", "!", ",", "=", "(a)"],
  [
    "\u00e9",
    "e\u0301",
    "\u212b",
    "\u00c5",
    "\u{1f600}",
    "\u{1f600}/\u{1f600}",
    "\uff5e",
    "\ufeff",
    "\u200b",
    "\u3042/\u3042",
  ],
  ["constructor", "__proto__", "toString", "hasOwnProperty/a", "con", "nul", "aux.txt", "a.", "a..b", "-", "--", "-rf"],
].flat();

const control = [
  "\n",
  "a\nb",
  "\r\n",
  "\t",
  "a\tb",
  "\u0001",
  "\u001f",
  "\u007f",
  "\u0085",
  "\u2028",
  "\ufffe",
  "a\u0000b",
];

const long = [
  "a".repeat(900),
  "A".repeat(900),
  "\u{1f600}".repeat(225),
  "/".repeat(900),
  "ab/".repeat(300),
  `${"x".repeat(254)}/${"x".repeat(255)}/${"x".repeat(256)}/y`,
  "x".repeat(254),
  "x".repeat(255),
  "x".repeat(256),
  `${"x".repeat(200)}/${"x".repeat(200)}`,
  "x".repeat(400),
  `${"x".repeat(200)}x`,
  `${"x".repeat(200)}+`,
];

/** All at the same time: each is another object than the others. */
async function keepApart({ driver }: Subject, keys: readonly string[]): Promise<void> {
  for (const key of keys) done(await driver.put(key, Buffer.from(`of ${key}`), { condition: "absent" }));
  assert.deepEqual(await keysOf(driver), inOrder(keys));
  for (const key of keys) await expectText(driver, key, `of ${key}`);
  const [gone, left] = [keys.filter((_, index) => index % 2 === 0), keys.filter((_, index) => index % 2 === 1)];
  for (const key of gone) assert.equal(await driver.remove(key), "done");
  for (const key of gone) await expectText(driver, key, undefined);
  for (const key of left) await expectText(driver, key, `of ${key}`);
  assert.deepEqual(await keysOf(driver), inOrder(left));
}

async function comeAndGo(driver: StoreDriver, keys: readonly string[]): Promise<void> {
  for (const each of keys) done(await driver.put(each, Buffer.from(each), { condition: "absent" }));
  assert.deepEqual(await keysOf(driver), inOrder(keys));
  for (const each of keys) {
    await expectText(driver, each, each);
    assert.deepEqual(await keysOf(driver, each), inOrder(keys.filter((other) => other.startsWith(each))));
  }
  for (const each of keys) assert.equal(await driver.remove(each), "done");
  assert.deepEqual(await keysOf(driver), []);
}

const letters = [..."aAzZ09./.%@+~-_ &=?#\\\u00e9\u{1f600}\uff5e\u3042"];
const characters = [...letters, ..."bcXY12\u007e\u00ff\u0100\u0fff\ud7ff\ue000\u{10000}\u{10ffff}"];

/** Odd keys from a seed, which a failure names. */
function* oddKeys(seed: number): Generator<string, never> {
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const letter = (): string => characters[below(characters.length)]!;
  for (;;) {
    if (below(3) > 0) yield Array.from({ length: 1 + below(12) }, letter).join("");
    else yield letter().repeat(100 + below(125));
  }
}

export const keyCases: readonly StoreCase[] = [
  { name: "odd keys are keys like any other", run: (subject) => keepApart(subject, odd) },
  { name: "control characters are allowed in keys", run: (subject) => keepApart(subject, control) },
  { name: "keys have up to 900 bytes, however they are divided", run: (subject) => keepApart(subject, long) },
  {
    name: "keys that differ only in case are different",
    run: (subject) =>
      keepApart(subject, ["a", "A", "dir/x", "Dir/x", "DIR/X", "%41", "%61", "\u00e9", "\u00c9", "straße", "STRASSE"]),
  },
  {
    name: "a key may be the beginning of others",
    run: (subject) => keepApart(subject, ["a", "a/b", "a/b/c", "a/b/c/", "a/", "ab", "a-", "a0", "a.b"]),
  },
  {
    name: "any keys are kept apart, and are as they were",
    async run({ driver, runs }) {
      const seed = randomBytes(4).readUInt32BE();
      const random = oddKeys(seed);
      for (let run = 0; run < runs; run++) {
        const keys = [...new Set(Array.from({ length: 1 + (run % 5) }, () => random.next().value))];
        try {
          await comeAndGo(driver, keys);
        } catch (cause) {
          throw new Error(`Cannot keep ${JSON.stringify(keys)} apart (seed ${seed})`, { cause });
        }
      }
    },
  },
  {
    name: "what is no key is refused, and so is a key of more than 900 bytes",
    async run({ driver }) {
      for (const each of ["", "a".repeat(901), "\u{1f600}".repeat(226), "\ud800", "a\udc00b"]) {
        await refusal(driver.put(each, Buffer.from("x")));
        await refusal(driver.get(each));
        await refusal(driver.read(each));
        await refusal(driver.write(each, source("x")));
        await refusal(driver.remove(each));
      }
      await create(driver, "b", "x");
      assert.deepEqual(await keysOf(driver), ["b"]);
    },
  },
];
