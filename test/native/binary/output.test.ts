import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Output } from "../../../src/native/binary/output.ts";
import { bytes, text } from "./lab.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a stream that is taken late begins with what was gathered, and goes on", async () => {
  const output = new Output({ most: 100 });
  const source = new PassThrough();
  output.attach(source);
  source.write("early ");
  await turn();
  expect(text(output.bytes())).toBe("early ");
  const reader = output.stream().getReader();
  expect(output.bytes()).toBeUndefined();
  source.end("late");
  output.settle();
  expect(text((await reader.read()).value)).toBe("early ");
  expect(text((await reader.read()).value)).toBe("late");
  expect((await reader.read()).done).toBe(true);
});

test("of what is gathered without an end only the last is kept, in order", async () => {
  const output = new Output({ most: 10 });
  const source = new PassThrough();
  output.attach(source);
  for (const word of ["one", "two", "three", "four"]) {
    source.write(word);
    await turn();
  }
  expect(output.text()).toBe("wothreefour".slice(-10));
  expect(output.text()).toBe("othreefour");
});

test("a stream that nobody reads stops its source, and reading starts it again", async () => {
  const output = new Output({ most: 0 });
  const source = new PassThrough();
  const reader = output.stream().getReader();
  output.attach(source);
  const piece = Buffer.alloc(64 * 1024);
  let written = 1;
  for (; source.write(piece); written++) await turn();
  expect(source.isPaused()).toBe(true);
  expect(written).toBeLessThan(12);
  for (let read = 0; read < written; read++) await reader.read();
  expect(source.isPaused()).toBe(false);
});

test.each([
  ["taken early", true],
  ["taken late", false],
])("a stream whose source is cut before its end fails, after what there was: %s", async (_name, early) => {
  const output = new Output({ most: 100, cut: () => new RangeError("cut") });
  if (early) output.stream();
  const source = new PassThrough();
  output.attach(source);
  source.write("half");
  await turn();
  if (early) output.settle();
  source.destroy();
  await output.ended;
  output.settle();
  const reader = output.stream().getReader();
  const all = async (): Promise<void> => {
    while (!(await reader.read()).done);
  };
  await expect(all()).rejects.toThrow(RangeError);
});

test("a stream fails at once with the run, whatever there is still to read", async () => {
  const output = new Output({ most: 0 });
  const reader = output.stream().getReader();
  const source = new PassThrough();
  output.attach(source);
  source.write(bytes("half"));
  await turn();
  output.settle(new RangeError("over"));
  await expect(reader.read()).rejects.toThrow(RangeError);
  expect(source.destroyed).toBe(true);
});
