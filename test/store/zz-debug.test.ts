import { test } from "vitest";
import { writeSync } from "node:fs";
import { checkCase, storeCases } from "./conformance.ts";
import { mutants, page, spoilt } from "./mutants.ts";
test("x", { timeout: 60_000 }, async () => {
  const mutant = mutants[process.env["MUT"]!];
  for (const each of storeCases) {
    writeSync(2, each.name + " ... ");
    const t = performance.now();
    await checkCase(each, async () => { const driver = mutant ? spoilt(mutant) : spoilt({ noticedBy: "", spoil: () => ({}) }); return { driver, close: () => driver.close() }; }, { page }).then(() => writeSync(2, "ok"), (e) => writeSync(2, "FAIL " + String(e.message).slice(0, 200)));
    writeSync(2, ` ${Math.round(performance.now() - t)}\n`);
  }
});
