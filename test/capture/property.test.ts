import * as fc from "fast-check";
import { flame, pool } from "tinderbox";
import { afterAll, expect, test } from "vitest";
import { Failure, Point, Registry, Stack, Tags } from "../value/classes.ts";
import { graph, primitive } from "../value/graphs.ts";
import { difference } from "../value/same.ts";

const warm = pool("warm", { max: 1 });
afterAll(() => warm.close());
/** Classes travel by the name under which the file of the closure imports them. */
const classes = [Failure, Point, Registry, Stack, Tags];

test("arbitrary graphs are captured and returned exactly", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(graph, async (value) => {
      expect(difference(await flame(() => value, { pool: warm }), value)).toBeUndefined();
    }),
    { numRuns: 200 },
  );
  expect(warm.stats().boots).toEqual({ ok: 1, failed: 0 });
});

test("objects that two variables and a function share stay shared", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(graph, fc.array(primitive, { maxLength: 5 }), async (value, list) => {
      const left = { value, list };
      const right = [list, value];
      const peek = (): unknown => left.value;
      const back = await flame(
        () => ({ left, right, same: [left.value === right[1], left.list === right[0], peek() === right[1]] }),
        { pool: warm },
      );
      expect(back.same).toEqual([true, true, true]);
      expect(difference({ left: back.left, right: back.right }, { left, right })).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});

test("classes of captured instances are those that the closure sees", async () => {
  const tags = new Tags(["a"]);
  const [Class] = [classes[4]!];
  expect(await flame(() => [tags instanceof Tags, tags.constructor === Class], { pool: warm })).toEqual([true, true]);
});
