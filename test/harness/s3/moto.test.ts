import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { conformance, runCheck } from "./conformance.ts";
import { type Moto, startMoto } from "./moto.ts";

let moto: Moto | undefined;
let missing = "";

// The first run on a machine downloads it.
beforeAll(async () => {
  try {
    moto = await startMoto();
  } catch (error) {
    missing = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    console.warn(`\n*** THE S3 CHECKS WERE NOT COMPARED WITH MOTO: ${missing} ***\n`);
  }
}, 120_000);

afterAll(() => moto?.[Symbol.asyncDispose]());

/** Its threads get in each other's way now and then: a 500 says nothing of what it does with conditions. */
async function checked(check: (typeof conformance)[number], place: Moto, attempts = 5): Promise<void> {
  try {
    await runCheck(check, place);
  } catch (error) {
    const { $metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number } };
    if ($metadata?.httpStatusCode !== 500 || attempts === 1) throw error;
    await checked(check, place, attempts - 1);
  }
}

describe("moto agrees with the checks that our server passes", () => {
  test.for(conformance.filter(({ deviations }) => !deviations?.moto))(
    "$name",
    { timeout: 30_000 },
    async (check, { skip }) => {
      if (!moto) return skip(missing);
      await expect(checked(check, moto)).resolves.toBeUndefined();
    },
  );
});

describe("moto is known to fail", () => {
  test.for(conformance.filter(({ deviations }) => deviations?.moto))(
    "$name",
    { timeout: 30_000 },
    async (check, { skip }) => {
      if (!moto) return skip(missing);
      const passes = await runCheck(check, moto).then(
        () => true,
        () => false,
      );
      // Not a failure: moto comes from a release that moves on, and may have learnt it.
      if (passes) console.warn(`moto ${moto.version} passes "${check.name}", strike out: ${check.deviations?.moto}`);
      expect(check.deviations?.moto).toBeTypeOf("string");
    },
  );
});
