/** The checks of `terraform/` bite: each change for the worse is refused, by `validate` or by a test of the module. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { absence, modulePath, Workspace } from "../harness/terraform/terraform.ts";
import { invalid } from "./mutants/arguments.ts";
import { bucket } from "./mutants/bucket.ts";
import { machines } from "./mutants/machines.ts";
import { network } from "./mutants/network.ts";
import { policies } from "./mutants/policies.ts";

const missing = absence();
if (missing) console.warn(`\n*** MUTANTS OF TERRAFORM'S MODULE WERE NOT TRIED: ${missing} ***\n`);

/** Each takes less than a second where there is nothing else to do. */
const patient = { timeout: 90_000 };

let workspace: Workspace;

beforeAll(async () => {
  if (!missing) workspace = await Workspace.open();
}, 60_000);

afterAll(() => workspace?.close());

describe("validate refuses", () => {
  test.skipIf(missing).each(invalid)("%s", patient, async (_, file, from, to, says) => {
    const { code, output } = await workspace.changed(`${modulePath}/${file}`, from, to).run(modulePath, "validate");
    expect(code, output).toBe(1);
    expect(output).toMatch(says);
  });
});

describe("a test refuses", () => {
  test.skipIf(missing).each([...machines, ...bucket, ...network, ...policies])(
    "%s: %s",
    patient,
    async (tests, _, file, from, to, says) => {
      const mutant = workspace.changed(`${modulePath}/${file}`, from, to);
      const { code, output } = await mutant.run(modulePath, "test", `-filter=tests/${tests}.tftest.hcl`);
      expect(code, output).toBe(1);
      expect(output).toMatch(says);
    },
  );
});
