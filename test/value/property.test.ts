import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decode } from "../../src/value/decode.ts";
import { encode } from "../../src/value/encode.ts";
import { arrive, decodeHooks, encodeHooks } from "./classes.ts";
import { graph, primitive } from "./graphs.ts";
import { difference } from "./same.ts";

test("every primitive arrives exactly", () => {
  fc.assert(
    fc.property(
      primitive,
      (value) => void expect(difference(decode(encode(value, encodeHooks), decodeHooks), value)).toBeUndefined(),
    ),
    { numRuns: 3000 },
  );
});

test("every graph arrives exactly, cycles and sharing included", () => {
  fc.assert(
    fc.property(
      graph,
      (value) =>
        void expect(difference(decode(arrive(encode(value, encodeHooks)), decodeHooks), value)).toBeUndefined(),
    ),
    { numRuns: 3000 },
  );
});

test("every graph arrives exactly from deep inside", () => {
  fc.assert(
    fc.property(graph, fc.integer({ min: 120, max: 132 }), (value, levels) => {
      let deep: unknown = value;
      for (let i = 0; i < levels; i++) deep = i % 3 ? { deep } : [deep];
      expect(difference(decode(encode(deep, encodeHooks), decodeHooks), deep)).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});

test("JSON-like values arrive exactly and are smaller than JSON once they repeat", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const copy = JSON.parse(JSON.stringify(value)) as unknown;
      expect(difference(decode(encode(copy, encodeHooks), decodeHooks), copy)).toBeUndefined();
    }),
    { numRuns: 1000 },
  );
  const rows = Array.from({ length: 100 }, (_, i) => ({ id: i, name: `n${i}`, active: true }));
  expect(encode(rows, encodeHooks).bytes.length).toBeLessThan(JSON.stringify(rows).length / 3);
});

test("what arrives and is sent on arrives the same", () => {
  fc.assert(
    fc.property(graph, (value) => {
      const first = decode(arrive(encode(value, encodeHooks)), decodeHooks);
      expect(difference(decode(arrive(encode(first, encodeHooks)), decodeHooks), first)).toBeUndefined();
    }),
    { numRuns: 500 },
  );
});
