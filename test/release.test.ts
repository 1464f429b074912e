import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { events } from "../src/events/index.ts";
import { application, type ApplicationOptions } from "../src/release.ts";
import { emptyFolder, fakeNode, installed, project } from "./deploy/release/project.ts";
import { whenTestEnds } from "./harness/hooks.ts";
import { type S3Server, startS3 } from "./harness/s3/server.ts";
import { driverOf } from "./store/s3-site.ts";

let server: S3Server;
beforeAll(async () => {
  server = await startS3();
});
beforeEach(() => {
  server.buckets.create("test");
  server.faults.clear();
  server.requests.clear();
  vi.stubEnv("XDG_CACHE_HOME", emptyFolder("cache"));
});
afterEach(() => void vi.unstubAllEnvs());
afterAll(() => server.dispose());

let stores = 0;
function app(options: Partial<ApplicationOptions> = {}) {
  const own = installed("node_modules/tinderbox", {}, { "dist/runners/machine.js": "" });
  const root = project({ ...own, ".env": "SECRET=1" }, { dependencies: { tinderbox: "*" } });
  stores = 0;
  const packing = application({
    id: undefined,
    root,
    node: fakeNode(),
    arch: "x64",
    store: () => (stores++, driverOf(server, { prefix: "apps" })),
    ...options,
  });
  whenTestEnds(() => packing.close());
  return { root, packing };
}
const error = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail("it was packed"),
    (thrown: Error) => thrown,
  );

test("is packed once for all who ask, and kept under its id", async () => {
  const { packing } = app();
  const [one, other] = await Promise.all([packing.release(), packing.release()]);
  expect(await packing.release()).toBe(one);
  expect(other).toBe(one);
  expect(stores).toBe(1);
  expect(server.buckets.keys("test")).toContain(`apps/releases/${one}.json`);
});

test("is not packed where there is one", async () => {
  const { packing } = app({ id: "a".repeat(64), root: "/nowhere" });
  expect(await packing.release()).toBe("a".repeat(64));
  expect(stores).toBe(0);
});

test("what stays behind is told", async () => {
  const told: string[] = [];
  const heard = events.on("release.notice", ({ text }) => void told.push(text));
  whenTestEnds(() => heard[Symbol.dispose]());
  await app().packing.release();
  expect(told.join("\n")).toContain(".env");
});

test("a store that cannot be reached now is a failure that may pass, and is not kept", async () => {
  const { packing } = app();
  server.faults.add({ kind: "unavailableBefore", times: Infinity });
  expect(await error(packing.release())).toMatchObject({ code: "ERR_TINDERBOX_STORE", permanent: false });
  server.faults.clear();
  expect(await packing.release()).toMatch(/^[\da-f]{64}$/);
});

test("a store that refuses, and an application that cannot be packed, are failures that somebody has to mend", async () => {
  const refused = app({ store: () => driverOf(server, { bucket: "elsewhere" }) }).packing;
  expect(await error(refused.release())).toMatchObject({ code: "ERR_TINDERBOX_STORE", permanent: true });
  const { root, packing } = app();
  const manifest = join(root, "package.json");
  rmSync(manifest);
  expect(await error(packing.release())).toMatchObject({ code: "ERR_TINDERBOX_RELEASE", permanent: true });
  writeFileSync(manifest, JSON.stringify({ name: "app", dependencies: { tinderbox: "*" } }));
  expect(await packing.release()).toMatch(/^[\da-f]{64}$/);
});

test("what is being packed is given up when its pools close", async () => {
  const { packing } = app();
  const hanging = server.faults.add({ kind: "hang" });
  whenTestEnds(() => hanging.release());
  const failed = error(packing.release());
  await hanging.strikes();
  packing.close();
  expect(await failed).toMatchObject({ message: expect.stringContaining("its pools are closed") as string });
});
