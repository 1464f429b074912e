/** The plugin in vitest itself: these modules run in the process of the test, through Vite's module runner. */
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type * as tinderbox from "tinderbox";
import { afterAll } from "vitest";
import { type Case, slugOf } from "./case.ts";
import { cases } from "./cases/index.ts";
import { testCases } from "./check.ts";
import { type FrontEnd, type Outcome, type Ran, inVitest, inapplicable, writeFolder } from "./front-ends.ts";

process.env["TINDERBOX_CAPTURE"] = "transform";
/** The copy of the package that the cases use. */
let copy: typeof tinderbox;
let all: tinderbox.Pool;
/** Of the copy that CommonJS cases require past Vite. */
let required: tinderbox.Pool;
afterAll(() => Promise.all([all.close(), required.close()]));

testCases(cases, [inVitest], async (list: readonly Case[], frontEnd: FrontEnd): Promise<Ran> => {
  const chosen = list.filter((one) => inapplicable(one, frontEnd) === undefined);
  const { folder } = writeFolder(chosen, frontEnd);
  const file = join(folder, "package.ts");
  writeFileSync(file, 'export * from "tinderbox";\n');
  copy = (await import(/* @vite-ignore */ file)) as typeof tinderbox;
  all = copy.pool("default", { max: 1 });
  required = (createRequire(file)("tinderbox") as typeof tinderbox).pool("default", { max: 1 });
  const outcomes = new Map<string, Outcome>();
  for (const one of chosen) outcomes.set(slugOf(one), await outcomeOf(one, folder));
  return { outcomes, code: 0, output: "" };
});

async function outcomeOf(one: Case, folder: string): Promise<Outcome> {
  const slug = slugOf(one);
  const before = booted();
  try {
    const { run } = (await import(/* @vite-ignore */ join(folder, "cases", slug, `index.${one.language}`))) as {
      run(): unknown;
    };
    const value = await run();
    return { slug, value, boots: booted() - before };
  } catch (error) {
    const { name, code, message, path, at, stack } = error as tinderbox.CaptureError;
    return {
      slug,
      boots: booted() - before,
      error: {
        name,
        code,
        message,
        ...(path && { path }),
        ...(at !== undefined && { at }),
        stack: stack ?? "",
        capture: copy.CaptureError.is(error),
      },
    };
  }
}

function booted(): number {
  const { runners, boots } = all.stats();
  return runners.booting + boots.ok + boots.failed;
}
