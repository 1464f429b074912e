import { describe, expect, test } from "vitest";
import { decode, unknown, type Value } from "./msgpack.ts";

const cases: [name: string, bytes: string, value: Value][] = [
  ["nothing", "c0", null],
  ["no", "c2", false],
  ["yes", "c3", true],
  ["a small number", "7f", 127],
  ["a small negative number", "e0", -32],
  ["a number of one byte", "ccff", 255],
  ["a number of two bytes", "cd1234", 0x1234],
  ["a number of four bytes", "ce12345678", 0x12345678],
  ["a number of eight bytes", "cf0000000100000000", 2 ** 32],
  ["a negative number of one byte", "d080", -128],
  ["a negative number of two bytes", "d18000", -32768],
  ["a negative number of four bytes", "d280000000", -(2 ** 31)],
  ["a negative number of eight bytes", "d3ffffffff00000000", -(2 ** 32)],
  ["a fraction of four bytes", "ca3fc00000", 1.5],
  ["a fraction of eight bytes", "cb3ff8000000000000", 1.5],
  ["a short text", "a26869", "hi"],
  ["a text with its length in one byte", "d9026869", "hi"],
  ["a text with its length in two bytes", "da00026869", "hi"],
  ["a text with its length in four bytes", "db000000026869", "hi"],
  ["a short list", "9201c0", [1, null]],
  ["a list with its length in two bytes", "dc00020102", [1, 2]],
  ["a list with its length in four bytes", "dd000000020102", [1, 2]],
  ["a short record", "81a16101", { a: 1 }],
  ["a record with its length in two bytes", "de0001a16101", { a: 1 }],
  ["a record with its length in four bytes", "df00000001a16101", { a: 1 }],
  ["what is not known yet", "92d4000001", [unknown, 1]],
  ["what is not known yet, but something about it", "92c70304c3010101", [unknown, 1]],
];

describe("a value of the plugin protocol is read", () => {
  test.each(cases)("%s", (_, bytes, value) => {
    expect(decode(Buffer.from(bytes, "hex"))).toEqual(value);
  });
});

test("what is no value of the protocol is refused", () => {
  expect(() => decode(Buffer.from("c1", "hex"))).toThrow("Cannot read this value: no msgpack begins with c1");
});
