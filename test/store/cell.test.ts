import * as valibot from "valibot";
import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { StoreDataError } from "../../src/errors.ts";
import type { Cell } from "../../src/store/cell.ts";
import { memory, processOn } from "./cells.ts";

test("a cell has its initial value until somebody writes it, and nothing is stored until then", async () => {
  const driver = memory();
  const cell = processOn(driver).cell({ initial: 3 });
  expect(await cell.get()).toBe(3);
  expect((await driver.list("")).objects).toEqual([]);
  await cell.set(4);
  expect(await cell.get()).toBe(4);
  expect(await processOn(driver).cell({ initial: 9 }).get()).toBe(4);
  expect(await processOn(memory()).cell().get()).toBeUndefined();
});

test("an update returns what it wrote, and others read it", async () => {
  const driver = memory();
  const [one, other] = [processOn(driver).cell({ initial: 0 }), processOn(driver).cell({ initial: 0 })];
  expect(await one.update((value) => value + 1)).toBe(1);
  expect(await other.update(async (value) => value * 10)).toBe(10);
  expect(await one.get()).toBe(10);
});

test("a value is nobody's but the caller's: who changes it later changes nothing that is stored", async () => {
  const cell = processOn(memory()).cell<{ list: number[] }>({ initial: { list: [] } });
  const first = await cell.get();
  first.list.push(1);
  expect(await cell.get()).toEqual({ list: [] });
  const given = { list: [1] };
  await cell.set(given);
  given.list.push(2);
  const result = await cell.update((value) => {
    value.list.push(3);
    return value;
  });
  result.list.push(4);
  expect(await cell.get()).toEqual({ list: [1, 3] });
});

test("data of all kinds comes back as it was", async () => {
  const driver = memory();
  const value = {
    date: new Date(1_700_000_000_000),
    map: new Map<unknown, unknown>([
      [1, new Set(["a"])],
      ["$k", null],
    ]),
    big: 2n ** 70n,
    numbers: [0, -0, Number.NaN, Infinity, -Infinity, 1.5e300],
    bytes: new Uint8Array([0, 255]),
    $odd: { $date: "no date" },
    nothing: undefined,
    text: "\u{1F525} \0 \u2028",
  };
  await processOn(driver).cell().set(value);
  expect(await processOn(driver).cell().get()).toStrictEqual(value);
});

test.each([
  ["a function", { f: () => 1 }, 'cell "cell".f'],
  ["an instance of a class", { a: [new (class Thing {})()] }, 'cell "cell".a[0]'],
  ["a symbol", Symbol("s"), 'cell "cell"'],
  ["a promise", { later: Promise.resolve(1) }, 'cell "cell".later'],
])("%s is refused by its path, and nothing is written", async (_name, value, path) => {
  const driver = memory();
  const cell = processOn(driver).cell();
  await expect(cell.set(value)).rejects.toThrow(TypeError);
  await expect(cell.update(() => value)).rejects.toThrow(path);
  expect((await driver.list("")).objects).toEqual([]);
});

test("what contains itself is refused", async () => {
  const loop: unknown[] = [];
  loop.push(loop);
  await expect(processOn(memory()).cell().set(loop)).rejects.toThrow("it contains itself");
});

test("what is in a value twice is stored twice", async () => {
  const cell = processOn(memory()).cell<unknown>();
  const twice = { a: 1 };
  await cell.set([twice, { twice }, new Map([[twice, twice]])]);
  expect(await cell.get()).toEqual([twice, { twice }, new Map([[twice, twice]])]);
});

test("undefined is no value: a forgotten return is told", async () => {
  const cell = processOn(memory()).cell<number | undefined>({ initial: 1 });
  await expect(cell.update((() => {}) as never)).rejects.toThrow("its function returned undefined");
  await expect(cell.set(undefined)).rejects.toThrow(StoreDataError);
  expect(await cell.get()).toBe(1);
});

test("options that do not exist, and arguments that make no sense, are refused", async () => {
  const opened = processOn(memory());
  expect(() => opened.cell({ inital: 1 } as never)).toThrow('did you mean "initial"?');
  expect(() => opened.cell({ schema: { parse: () => 1 } as never })).toThrow("it is no Standard Schema");
  const cell = opened.cell({ initial: 0 });
  await expect(cell.update(5 as never)).rejects.toThrow("use set() for a value");
  await expect(cell.set(1, { timeuot: 1 } as never)).rejects.toThrow('did you mean "timeout"?');
  await expect(cell.set(1, { lease: {} as never })).rejects.toThrow("what store.lease() gave is wanted");
  await expect(cell.set(1, { timeout: "soon" as never })).rejects.toThrow("timeout");
});

const user = { name: "a", age: 1 };
const schemas = {
  zod: z.object({ name: z.string(), age: z.number().min(0) }),
  valibot: valibot.object({ name: valibot.string(), age: valibot.pipe(valibot.number(), valibot.minValue(0)) }),
};

test.each(Object.entries(schemas))("a schema of %s checks what is written and what is read", async (_name, schema) => {
  const driver = memory();
  const opened = processOn(driver);
  const cell = opened.cell({ schema, initial: user });
  expectTypeOf(cell).toEqualTypeOf<Cell<{ name: string; age: number }>>();
  await cell.set({ name: "b", age: 2 });
  const refused = await cell.set({ name: "b", age: -2 }).catch((error: unknown) => error as StoreDataError);
  expect(refused).toBeInstanceOf(StoreDataError);
  expect((refused as StoreDataError).issues).toEqual([{ path: "age", message: expect.any(String) }]);
  await expect(cell.update(() => ({ name: 1 }) as never)).rejects.toThrow("its schema refuses it (");
  expect(await cell.get()).toEqual({ name: "b", age: 2 });
  await processOn(driver).cell().set({ name: "written by an older version" });
  await expect(cell.get()).rejects.toThrow('Cannot read cell "cell" of memory:: its schema refuses it');
  await expect(cell.update((value) => value)).rejects.toThrow(StoreDataError);
});

test("a schema may make something of the value; what it makes is stored", async () => {
  const driver = memory();
  const cell = processOn(driver).cell({ schema: z.string().transform((text) => text.trim()) as never });
  await cell.set("  a ");
  expect(await processOn(driver).cell().get()).toBe("a");
});

test.each([
  ["no JSON", "hello", "was not written by a cell"],
  [
    "another thing of ours",
    '{"tinderbox":"memo","value":1,"born":"","version":1,"writers":[],"fences":[]}',
    "is a memo",
  ],
  ["something like it", '{"tinderbox":"cell","value":1}', "is something else"],
  [
    "a value of a newer version",
    '{"tinderbox":"cell","value":{"$new":1},"born":"","version":1,"writers":[],"fences":[]}',
    '"$new" is not known',
  ],
])("%s at its key is not taken for a cell, and not written over", async (_name, text, why) => {
  const driver = memory();
  await driver.put("cell", Buffer.from(text));
  const cell = processOn(driver).cell({ initial: 0 });
  await expect(cell.get()).rejects.toThrow(why);
  await expect(cell.update((value) => value + 1)).rejects.toThrow(StoreDataError);
  const found = await driver.get("cell");
  expect(String(Buffer.from((found as { body: Uint8Array }).body))).toBe(text);
});

test("what a schema says is told by its path", async () => {
  const cell = processOn(memory()).cell({ schema: z.object({ list: z.array(z.object({ age: z.number() })) }) });
  const refused = await cell.set({ list: [{ age: 1 }, { age: "two" as never }] }).catch((error: unknown) => error);
  expect(refused).toMatchObject({
    issues: [{ path: "list.1.age" }],
    message: expect.stringContaining("(list.1.age: ") as string,
  });
});

test("a schema that does not take what it makes is refused before anything is written", async () => {
  const driver = memory();
  const schema = z.string().transform((text) => text.length);
  const cell = processOn(driver).cell({ schema: schema as never });
  await expect(cell.set("abc")).rejects.toThrow("it is not read back: its schema refuses it");
  await expect(cell.update(() => "abc" as never)).rejects.toThrow(StoreDataError);
  expect((await driver.list("")).objects).toEqual([]);
});

test("what is set is what it was when set was called", async () => {
  const cell = processOn(memory()).cell<{ x: number }>();
  const value = { x: 1 };
  const done = cell.set(value);
  value.x = 2;
  await done;
  expect(await cell.get()).toEqual({ x: 1 });
});

test("an aborted read is an AbortError with its reason", async () => {
  const reason = new Error("enough");
  const read = processOn(memory())
    .cell()
    .get({ signal: AbortSignal.abort(reason) });
  await expect(read).rejects.toMatchObject({ name: "AbortError", code: "ABORT_ERR", cause: reason });
});
