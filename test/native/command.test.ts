import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findCommand } from "../../src/native/command.ts";
import { testRun } from "../harness/run.ts";

test("a name is the first file of PATH that may be executed, and a path is taken from the working folder", () => {
  const root = mkdtempSync(join(testRun.folder, "path-"));
  for (const folder of ["denied", "folder/tool", "fine", "other"]) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, "denied/tool"), "", { mode: 0o644 });
  for (const folder of ["fine", "other"]) writeFileSync(join(root, folder, "tool"), "", { mode: 0o755 });
  expect(findCommand("tool", "none:denied:folder:fine:other", root)).toBe(join(root, "fine/tool"));
  expect(() => findCommand("tool", "folder:denied", root)).toThrow("denied/tool is not executable; run chmod +x on it");
  expect(() => findCommand("tool", "folder", root)).toThrow("it is in no folder of PATH");
  expect(findCommand("./tool", undefined, join(root, "fine"))).toBe(join(root, "fine/tool"));
  expect(() => findCommand("./tool", undefined, root)).toThrow("does not exist");
});
