import { expect, test } from "vitest";
import type { Payload } from "../../src/value/port.ts";
import { packBatch, unpackBatch } from "../../src/wire/batch.ts";
import { bytes } from "./bytes.ts";

const value = (text: string): Payload => ({ bytes: Buffer.from(text), buffers: [] });
const one = { failed: false, value: value("one") };
const two = { failed: true, value: value("two!") };

test("a batch is written and read as its literal bytes", () => {
  const literal = Buffer.concat([bytes("03 000005dc 00 00000003", "one"), bytes("01 00000004", "two!")]);
  expect(Buffer.from(packBatch([one, two], 1.5).bytes)).toEqual(literal);
  expect(unpackBatch({ bytes: literal, buffers: [] })).toEqual({ spentMs: 1.5, entries: [one, two] });
  expect(unpackBatch(packBatch([], 0))).toEqual({ spentMs: 0, entries: [] });
});

test("what belongs to a value stays beside it, when it travels alone", async () => {
  const live = [{ kind: "function", value: () => 1, run: <T>(act: () => T) => act() }] as const;
  const pending = Promise.resolve();
  const buffers = [Buffer.alloc(3)];
  const packed = packBatch([{ failed: false, value: { ...one.value, buffers, live, pending } }], 0);
  expect(packed).toMatchObject({ buffers, live, pending });
  const references = [["function", 1, null]] as const;
  const { entries } = unpackBatch({ bytes: packed.bytes, buffers, references });
  expect(entries).toEqual([{ failed: false, value: { ...one.value, buffers, references } }]);
  await pending;
});

const empty: readonly Uint8Array[] = [];
test.each([
  ["nothing", "", empty],
  ["another format", "00 00000000", empty],
  ["a head that is cut", "03 0000", empty],
  ["an entry that is cut", "03 00000000 00 000000", empty],
  ["a value that is cut", "03 00000000 00 00000002 41", empty],
  ["a value of no bytes", "03 00000000 00 00000000", empty],
  ["a length beyond all bounds", "03 00000000 00 ffffffff 41", empty],
  ["an end that is neither", "03 00000000 02 00000001 41", empty],
  ["memory of one of several", "03 00000000 00 00000001 41 00 00000001 42", [Buffer.alloc(1)]],
  ["memory of none", "03 00000000", [Buffer.alloc(1)]],
])("%s is refused", (_, hex, buffers) => {
  expect(() => unpackBatch({ bytes: bytes(hex), buffers })).toThrow(/^Cannot read a batch: /);
});
