/** What the documentation shows runs as it is shown: each block of TypeScript that imports the package is a program. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startScript } from "./harness/script.ts";
import { repository } from "./harness/script-folder.ts";

interface Program {
  readonly page: string;
  readonly line: number;
  readonly code: string;
  /** The block that follows is the error that it ends with. */
  readonly fails: boolean;
}

const pages = ["README.md", ...readdirSync(join(repository, "docs")).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith(".md"),
);
const programs = pages.flatMap((page) => {
  const text = readFileSync(join(repository, page), "utf8");
  return [...text.matchAll(/^```ts\n(.*?)^```\n\s*(?:^```\w*\n(\w*Error))?/gms)].map(
    ([, code, error], index, { [index]: found }): Program => ({
      page,
      line: text.slice(0, found!.index).split("\n").length,
      code: code!,
      fails: error !== undefined,
    }),
  );
});
const whole = programs.filter(({ code }) => /^import .* from "tinderbox(\/store)?";$/m.test(code));

describe("programs of the documentation", () => {
  test.each(whole)("$page, line $line", { timeout: 60_000 }, async ({ code, fails }) => {
    const { code: exit, stderr } = await startScript(code, { timeout: 50_000 }).finished;
    expect(exit, stderr).toBe(fails ? 1 : 0);
  });
});

test("there are some", () => {
  expect(whole.length).toBeGreaterThan(10);
});
