import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Moto, startMoto } from "../../s3/moto.ts";
import { startCloud } from "../cloud.ts";
import type { Check, Place } from "./checks/check.ts";
import { DescribeImagesCommand, EC2Client } from "./checks/sdk.ts";
import { Notes } from "./checks/validate.ts";
import { conformance, ownImage, roomyLimits, runCheck } from "./conformance.ts";

let moto: Moto | undefined;
let place: Place | undefined;
let missing = "";
const notes = new Notes();

/** The first of moto's own x86_64 images. */
async function imageOf(at: Omit<Place, "imageId">): Promise<string> {
  const client = new EC2Client(at);
  try {
    const Filters = [{ Name: "architecture", Values: ["x86_64"] }];
    const { Images = [] } = await client.send(new DescribeImagesCommand({ Filters }));
    return Images.find(({ Platform }) => Platform === undefined)?.ImageId ?? "";
  } finally {
    client.destroy();
  }
}

// The first run on a machine downloads it.
beforeAll(async () => {
  try {
    moto = await startMoto();
    const { endpoint, region, credentials } = moto;
    place = { endpoint, region, credentials, imageId: await imageOf({ endpoint, region, credentials }) };
  } catch (error) {
    missing = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    console.warn(`\n*** THE EC2 CHECKS WERE NOT COMPARED WITH MOTO: ${missing} ***\n`);
  }
}, 120_000);

afterAll(() => moto?.[Symbol.asyncDispose]());

const known = (check: Check) => check.deviations?.moto !== undefined;

describe("moto agrees with the checks that our endpoint passes", () => {
  test.for(conformance.filter((check) => !known(check)))("$name", { timeout: 30_000 }, async (check, { skip }) => {
    if (!place) return skip(missing);
    await expect(runCheck(check, place, notes)).resolves.toBeUndefined();
  });
});

describe("moto is known to fail", () => {
  test.for(conformance.filter(known))("$name", { timeout: 30_000 }, async (check, { skip }) => {
    if (!place) return skip(missing);
    const passes = await runCheck(check, place, notes).then(
      () => true,
      () => false,
    );
    // Not a failure: moto comes from a release that moves on, and may have learnt it.
    if (passes) console.warn(`moto ${moto?.version} passes "${check.name}", strike out: ${check.deviations?.moto}`);
    expect(check.deviations?.moto).toBeTypeOf("string");
  });
});

/** Members that only moto's answers have, and why ours have not. */
const onlyMoto: readonly [path: RegExp, because: string][] = [
  [/\.(Platform|KernelId|SriovNetSupport|ProductCodes)$/, "facts of images and types that we do not have"],
  [/\.(PublicIpAddress|Association(\.\w+)?)$/, "our subnets give no public addresses"],
  [/^RunInstances\..*\.BlockDeviceMappings\[\]/, "our volumes are attached after the first answer, as those of EC2"],
  [/^GetConsoleOutput\.Output$/, "here nothing boots that could print"],
  [/\.EbsOptimizedInfo(\.\w+)?$|\.EnaSrdSupported$/, "speeds of types that nobody asks us for"],
];

/** How moto's answers differ from the SDK's model. */
const problems =
  / has no request id$|^(Create|Delete)Tags does not return true$|^a refusal is of form |^DescribeSubnets answers /;

// The last test of this file: it looks at what the checks before it have seen.
test(
  "the members of our answers are those of moto's, and both are known to the SDK",
  { timeout: 30_000 },
  async ({ skip }) => {
    if (!place) return skip(missing);
    const ours = new Notes();
    await using cloud = await startCloud({ limits: roomyLimits });
    const own = { ...cloud, credentials: cloud.credentials("owner"), imageId: ownImage };
    for (const check of conformance) await runCheck(check, own, ours);
    const unexpected = [
      ...[...notes.paths].filter((path) => !ours.paths.has(path) && !onlyMoto.some(([pattern]) => pattern.test(path))),
      ...[...notes.problems].filter((problem) => !problems.test(problem)),
    ];
    const compared = moto?.version.startsWith("5.2.4") === true;
    if (!compared)
      console.warn(`moto ${moto?.version} is not the one that was compared; new in it: ${unexpected.join()}`);
    expect(compared ? unexpected : []).toEqual([]);
    expect([...ours.problems]).toEqual([]);
    expect(notes.paths.size).toBeGreaterThan(200);
  },
);
