import { afterAll, beforeAll, expect, test } from "vitest";
import { activeResources, expectNoResourceLeft } from "../leaks.ts";
import { conformance, runCheck } from "./conformance.ts";
import { type S3Server, startS3 } from "./server.ts";

let server: S3Server;
const before = activeResources();

beforeAll(async () => {
  // Small, so that bodies in files are checked as well.
  server = await startS3({ spillBytes: 100_000 });
});

afterAll(async () => {
  await server.dispose();
  await expectNoResourceLeft(before);
});

test.for(conformance)("$name", { timeout: 30_000 }, async (check) => {
  await expect(runCheck(check, server)).resolves.toBeUndefined();
});
