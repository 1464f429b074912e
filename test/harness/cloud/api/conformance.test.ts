import { afterAll, beforeAll, expect, test } from "vitest";
import { activeResources, expectNoResourceLeft } from "../../leaks.ts";
import { type Cloud, startCloud } from "../cloud.ts";
import type { Place } from "./checks/check.ts";
import { conformance, ownConformance, ownImage, roomyLimits, runCheck, runOwnCheck } from "./conformance.ts";

let cloud: Cloud;
let place: Place;
const before = activeResources();

beforeAll(async () => {
  cloud = await startCloud({ limits: roomyLimits });
  place = { ...cloud, credentials: cloud.credentials("owner"), imageId: ownImage };
});

afterAll(async () => {
  await cloud.close();
  await expectNoResourceLeft(before);
});

test.for(conformance)("$name", async (check) => {
  await expect(runCheck(check, place)).resolves.toBeUndefined();
});

test.for(ownConformance)("$name", async (check) => {
  await expect(runOwnCheck(check)).resolves.toBeUndefined();
});
