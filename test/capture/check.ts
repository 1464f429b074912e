import { beforeAll, describe, expect, test } from "vitest";
import type { Case } from "./case.ts";
import { slugOf } from "./case.ts";
import { type FrontEnd, type Outcome, type Ran, inapplicable, placeOf, runCases } from "./front-ends.ts";

/** Declares one test for each case in each front end; all cases of a front end run in one process. */
export function testCases(
  cases: readonly Case[],
  frontEnds: readonly FrontEnd[],
  run: (cases: readonly Case[], frontEnd: FrontEnd) => Promise<Ran> = runCases,
): void {
  describe.each(frontEnds)("$name", (frontEnd) => {
    let ran: Ran;
    beforeAll(async () => {
      ran = await run(cases, frontEnd);
    }, 300_000);

    test("the process ends by itself", () => {
      expect(ran.code, ran.output).toBe(0);
    });

    // A case that means nothing in a front end is no skipped test; how many there are is said once, with the reasons.
    const elsewhere = new Map<string, number>();
    for (const one of cases) {
      const reason = inapplicable(one, frontEnd);
      const name = `${one.family}: ${one.name}`;
      if (reason !== undefined) {
        elsewhere.set(reason, (elsewhere.get(reason) ?? 0) + 1);
        continue;
      }
      const broken = [frontEnd.name, ...frontEnd.traits]
        .map((trait) => one.broken[trait])
        .find((bug) => bug !== undefined);
      const declare = broken === undefined ? test : test.fails;
      declare(broken === undefined ? name : `${name} (broken: ${broken})`, () => {
        const outcome = ran.outcomes.get(slugOf(one));
        if (!outcome) expect.fail(`It was not run: the process ended with ${ran.code ?? "the deadline"}`);
        check(one, outcome, frontEnd);
      });
    }
    for (const [reason, count] of elsewhere) console.log(`${frontEnd.name}: ${count} cases are not for it: ${reason}`);
  });
}

/** Compares what became of a case with what the table says. */
function check(one: Case, outcome: Outcome, { traits }: FrontEnd): void {
  const { refused, expected } = one;
  const { error } = outcome;
  if (!refused) {
    if (error) expect.fail(error.stack.includes(error.message) ? error.stack : `${error.message}\n${error.stack}`);
    expect(outcome.value).toStrictEqual(expected);
    return;
  }
  if (!error) expect.fail(`It travelled, and gave ${JSON.stringify(outcome.value)}`);
  expect(error.message).toMatch(refused.message);
  expect(outcome.boots, "runners that were booted").toBe(0);
  if (error.name === "TypeError") return;
  expect([error.code, error.capture], error.stack).toEqual(["ERR_TINDERBOX_CAPTURE", true]);
  expect(error.message).toMatch(/^Cannot send .*: .*; .{8,}/);
  if (refused.path) expect(error.path).toEqual(refused.path);
  if (refused.at === undefined || traits.includes("compiled")) return;
  expect(error.at, error.message).toMatch(/index\.(ts|js|cjs):\d+:\d+$/);
  if (!traits.includes("javascript"))
    expect(error.at!.endsWith(placeOf(one, refused.at)), `${error.at} should be ${placeOf(one, refused.at)}`).toBe(
      true,
    );
  expect(error.message).toMatch(/^ > \d+ \| .*\n +\| +\^+/m);
}
