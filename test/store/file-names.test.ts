import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { folderOf, partsOf, segmentOf } from "../../src/store/drivers/file-names.ts";

test.for([
  ["a", "a/@"],
  ["jobs/2026-01/report.json", "jobs/2026-01/report.json/@"],
  ["A", "%41/@"],
  ["", "%/@"],
  ["/", "%/%/@"],
  ["..", "%2e./@"],
  [".tmp/x", "%2etmp/x/@"],
  ["@/1", "%40/1/@"],
  ["a+", "a%2b/@"],
  ["%", "%25/@"],
  ["é", "%c3%a9/@"],
  ["x".repeat(200), `${"x".repeat(200)}/@`],
  ["x".repeat(201), `${"x".repeat(200)}+/x/@`],
  [`${"x".repeat(200)}..`, `${"x".repeat(200)}+/%2e%2e/@`],
])("the key %j is in %s", ([key, folder]) => {
  expect(folderOf("/store", key!)).toBe(join("/store", folder!));
});

test.for([
  "",
  "@",
  ".",
  "..",
  ".tmp",
  "A",
  "%4",
  "%4A",
  "%61",
  "%2E",
  "a%",
  "%ff",
  "é",
  "a b",
  "%%",
  "a+",
  "a~",
  "0000@",
])("%j is nobody's folder", (name) => {
  expect(segmentOf([name])).toBeUndefined();
});

const segment = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.string({ unit: fc.constantFrom(..."aA.+/%@é"), maxLength: 300 }),
  )
  .map((text) => text.replaceAll("/", ""))
  .filter((text) => text.isWellFormed());

test("a segment is found again in its folders, which no file system mistakes", () => {
  fc.assert(
    fc.property(segment, (text) => {
      const parts = partsOf(text);
      expect(segmentOf(parts)).toBe(text);
      for (const [index, part] of parts.entries()) {
        expect(part).toMatch(/^(?![@.])[a-z0-9_.%-]+\+?$/);
        expect(part.length).toBeLessThanOrEqual(201);
        expect(part.endsWith("+")).toBe(index < parts.length - 1);
      }
    }),
  );
});
