import { readdirSync, utimesSync, writeFileSync } from "node:fs";
import { mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { PackProgress } from "../../../src/deploy/release/pack.ts";
import { readManifest } from "../../../src/deploy/release/unpack.ts";
import type { StoreDriver } from "../../../src/ports/store.ts";
import { type S3Server, startS3 } from "../../harness/s3/server.ts";
import { startScript } from "../../harness/script.ts";
import { repository } from "../../harness/script-folder.ts";
import { until } from "../../harness/until.ts";
import { driverOf } from "../../store/s3-site.ts";
import {
  emptyFolder,
  fakeNode,
  installed,
  memory,
  pack,
  pictureOf,
  project,
  refusal,
  unpackRelease,
} from "./project.ts";

let server: S3Server;
let driver: StoreDriver & AsyncDisposable;
beforeAll(async () => {
  server = await startS3();
});
beforeEach(() => {
  server.buckets.create("test");
  server.faults.clear();
  server.requests.clear();
  driver = driverOf(server, { prefix: "apps" });
  return () => driver.close();
});
afterAll(() => server.dispose());

/** Which objects were sent since the last look, by name, with the bytes that they have. */
async function sent(): Promise<Record<string, number>> {
  const puts = server.requests.log.filter(({ operation, status }) => operation === "PutObject" && status === 200);
  const sizes = puts.map(async ({ key }) => [key, (await server.buckets.read("test", key))!.length] as const);
  server.requests.clear();
  return Object.fromEntries(await Promise.all(sizes));
}

const keyOf = (layer: { sha256: string }): string => `apps/layers/${layer.sha256}.tar.gz`;
const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("tinderbox-"));

describe("what is sent", () => {
  test("is everything at first, only the application's layer when a source file has changed, and nothing when nothing has", async () => {
    const root = project(
      {
        "src/a.js": "1",
        ...installed(
          "node_modules/a",
          {},
          { "big.bin": Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * at) >> 3)) },
        ),
      },
      { dependencies: { a: "*" } },
    );
    const first = await pack(root, { driver });
    expect(Object.keys(await sent()).toSorted()).toEqual(
      [...first.layers.map(keyOf), `apps/releases/${first.id}.json`].toSorted(),
    );
    expect(server.buckets.keys("test")).toHaveLength(4);

    writeFileSync(join(root, "src/a.js"), "2");
    const second = await pack(root, { driver });
    const bytes = await sent();
    expect(Object.keys(bytes).toSorted()).toEqual(
      [keyOf(second.layers[2]!), `apps/releases/${second.id}.json`].toSorted(),
    );
    expect(Object.values(bytes).reduce((sum, each) => sum + each, 0)).toBeLessThan(2_000);
    expect(second.layers.map(({ outcome }) => outcome)).toEqual(["there", "there", "uploaded"]);

    const third = await pack(root, { driver });
    expect(third.id).toBe(second.id);
    expect(await sent()).toEqual({});
  });

  test("is asked about without reading it, and written on condition that it is not there", async () => {
    await pack(project(), { driver });
    expect(server.requests.count("GetObject")).toBe(0);
    expect(server.requests.count("HeadObject")).toBe(3);
    server.requests.clear();
    const { layers } = await pack(project(), { driver });
    expect(layers.map(({ outcome }) => outcome)).toEqual(["there", "there", "there"]);
    expect(
      server.requests.log.filter(({ operation }) => operation === "PutObject").map(({ key }) => key.split("/")[1]),
    ).toEqual(["releases"]);
  });

  test("is not written over when somebody else was faster", async () => {
    const root = project();
    const other = driverOf(server, { prefix: "apps" });
    const { layers } = await pack(root, { driver: other });
    const etags = layers.map((layer) => server.buckets.etag("test", keyOf(layer)));
    let asked = 0;
    // When it is asked, it is not there yet.
    const late: StoreDriver = {
      ...driver,
      head: (...args) => (++asked <= 3 ? Promise.resolve(undefined) : driver.head(...args)),
    };
    const again = await pack(root, { driver: late });
    expect(again.layers.map(({ outcome }) => outcome)).toEqual(["there", "there", "there"]);
    expect(
      server.requests.log.filter(({ operation, status }) => operation === "PutObject" && status === 412).length,
    ).toBeGreaterThanOrEqual(3);
    expect(layers.map((layer) => server.buckets.etag("test", keyOf(layer)))).toEqual(etags);
    await other.close();
  });

  test("the manifest comes last", async () => {
    await pack(project(), { driver });
    const puts = server.requests.log.filter(({ operation }) => operation === "PutObject").map(({ key }) => key);
    expect(puts.at(-1)).toMatch(/releases/);
    expect(puts.filter((key) => key.includes("releases"))).toHaveLength(1);
  });

  test("goes side by side", async () => {
    const hang = server.faults.add({ kind: "hang", operation: "PutObject", times: 3 });
    const packing = pack(project(), { driver });
    await hang.strikes(3);
    hang.release();
    expect((await packing).layers.map(({ outcome }) => outcome)).toEqual(["uploaded", "uploaded", "uploaded"]);
  });

  test("is nothing in a dry run, which tells what would be", async () => {
    const root = project({ a: "1" });
    const { layers, id } = await pack(root, { driver, upload: false });
    expect(layers.map(({ outcome }) => outcome)).toEqual(["absent", "absent", "absent"]);
    expect(server.buckets.keys("test")).toEqual([]);
    expect((await pack(root, { driver })).id).toBe(id);
    expect((await pack(root, { driver, upload: false })).layers.map(({ outcome }) => outcome)).toEqual([
      "there",
      "there",
      "there",
    ]);
  });
});

describe("failures of the store", () => {
  test.each([
    "unavailableBefore",
    "internalBefore",
    "lostReply",
    "droppedRequest",
    "internalAfter",
    "unavailableAfter",
  ] as const)("%s passes, and the release is whole", async (kind) => {
    server.faults.add({ kind, operation: "PutObject", times: 2 });
    server.faults.add({ kind: "unavailableBefore", operation: "HeadObject", times: 1 });
    const root = project({ a: "1" });
    const { id, layers } = await pack(root, { driver });
    expect(layers.map(({ outcome }) => outcome)).toEqual(["uploaded", "uploaded", "uploaded"]);
    const into = emptyFolder("into");
    const { root: there } = await unpackRelease(await readManifest(id, driver), driver, into);
    expect(pictureOf(there)).toEqual(pictureOf(root));
  });

  test("that last are told of, and what was brought there is not sent again", async () => {
    const root = project({ a: "1" });
    const whole = await pack(root, { driver: memory() });
    const app = keyOf(whole.layers[2]!);
    server.faults.add({ kind: "internalBefore", key: app, operation: "PutObject", times: 100 });
    // The others are there before this one fails.
    const patient: StoreDriver = {
      ...driver,
      write: async (key, body, options) => {
        if (`apps/${key}` === app) await until("the others", () => server.buckets.keys("test").length === 2);
        return driver.write(key, body, options);
      },
    };
    expect(await refusal(pack(root, { driver: patient, clock: hurried }))).toMatch(/^Cannot write .*layers/);
    expect(leftovers()).toEqual([]);
    expect(server.buckets.keys("test").filter((key) => key.includes("releases"))).toEqual([]);
    server.faults.clear();
    await sent();
    const { id } = await pack(root, { driver });
    expect(Object.keys(await sent()).toSorted()).toEqual([app, `apps/releases/${id}.json`].toSorted());
  });

  test("that no second try mends are told of at once", async () => {
    const stranger = driverOf({ ...server, credentials: { accessKeyId: "nobody", secretAccessKey: "x" } });
    const root = project();
    expect(await refusal(pack(root, { driver: stranger }))).toMatch(/^Cannot /);
    expect(server.requests.count()).toBeLessThanOrEqual(3);
    await stranger.close();
  });

  test("an object that is not as long as what its name says is told of", async () => {
    const root = project();
    const { layers } = await pack(root, { driver: memory() });
    await driver.put(`layers/${layers[0]!.sha256}.tar.gz`, Buffer.from("short"));
    expect(await refusal(pack(root, { driver }))).toMatch(
      /^Cannot use "layers\/[0-9a-f]{64}\.tar\.gz" of .*: it has 5 bytes, and its name is that of \d+; remove it and pack again$/,
    );
  });
});

describe("an end before the end", () => {
  test("a signal stops it wherever it is, and nothing is left behind", async () => {
    const root = project({ "a.bin": Buffer.alloc(3_000_000, "ab") });
    for (const step of ["planned", "pack", "upload"] as const) {
      const stop = new AbortController();
      const onProgress = (progress: PackProgress): void =>
        void (progress.step === step && stop.abort(new Error(`stopped at ${step}`)));
      expect(await refusal(pack(root, { driver, onProgress, signal: stop.signal }))).toBe(`stopped at ${step}`);
      expect(leftovers()).toEqual([]);
      expect(server.buckets.keys("test").filter((key) => key.includes("releases"))).toEqual([]);
    }
    expect(await refusal(pack(root, { driver, signal: AbortSignal.abort(new Error("before")) }))).toBe("before");
  });

  test("one layer that fails stops the others, which have ended before it is told", async () => {
    const stuck = Promise.withResolvers<void>();
    let ended = false;
    let count = 0;
    const failing: StoreDriver = {
      ...memory(),
      write: async (_key, _body, { signal } = {}) => {
        if (++count > 1) {
          await stuck.promise;
          throw new Error("no room");
        }
        const aborted = new Promise<void>((resolve) => signal!.addEventListener("abort", () => resolve()));
        stuck.resolve();
        await aborted;
        // It takes a while to clear up.
        for (let turn = 0; turn < 5_000; turn++) await new Promise((resolve) => setImmediate(resolve));
        ended = true;
        throw signal!.reason;
      },
    };
    expect(await refusal(pack(project(), { driver: failing }))).toBe("no room");
    expect(ended).toBe(true);
    expect(leftovers()).toEqual([]);
  });
});

describe("the cache", () => {
  /** As if it had been there for long: a file that is new is not believed. */
  const cache = (): string => emptyFolder("cache");
  const readsOf = async (root: string, folder: string): Promise<string[]> => {
    const { layers } = await pack(root, { cache: folder });
    return layers.filter(({ cached }) => !cached).map(({ name }) => name);
  };
  /** So that the times of all files are long enough ago. */
  const settle = (root: string): Promise<boolean> => {
    const newest = Math.max(...[root, fakeNode()].flatMap(timesBelow));
    const probe = join(emptyFolder("probe"), "x");
    return until("an older tree", () => {
      writeFileSync(probe, "");
      return statSync(probe).ctimeMs > newest + 2_100;
    });
  };

  test(
    "layers of which no file has changed are not read again; any change to any file is noticed",
    { timeout: 60_000 },
    async () => {
      const root = project(
        { "a.js": "1", ...installed("node_modules/dep", {}, { "code.js": "one" }) },
        { dependencies: { dep: "*" } },
      );
      const dep = join(root, "node_modules/dep/code.js");
      utimesSync(dep, 1e9, 1e9);
      const folder = cache();
      await settle(root);
      expect(await readsOf(root, folder)).toEqual(["node", "dependencies", "app"]);
      expect(await readsOf(root, folder)).toEqual([]);
      const before = await pack(root, { cache: folder });
      // The same number of bytes, and a time that says nothing has changed.
      writeFileSync(dep, "two");
      utimesSync(dep, 1e9, 1e9);
      expect(await readsOf(root, folder)).toEqual(["dependencies"]);
      expect((await pack(root, { cache: folder })).layers[1]!.sha256).not.toBe(before.layers[1]!.sha256);
      // It is too new to be believed, until it is older.
      expect(await readsOf(root, folder)).toEqual(["dependencies"]);
      await settle(root);
      expect(await readsOf(root, folder)).toEqual(["dependencies"]);
      expect(await readsOf(root, folder)).toEqual([]);
      writeFileSync(join(root, "b.js"), "");
      expect(await readsOf(root, folder)).toEqual(["app"]);
    },
  );

  test("what it says and the store does not have is made again", { timeout: 60_000 }, async () => {
    const root = project({ "a.js": "1" });
    const folder = cache();
    await settle(root);
    const first = await pack(root, { driver, cache: folder });
    expect(
      (await pack(root, { driver, cache: folder })).layers.map(({ cached, outcome }) => [cached, outcome]),
    ).toEqual([
      [true, "there"],
      [true, "there"],
      [true, "there"],
    ]);
    await driver.remove(`layers/${first.layers[2]!.sha256}.tar.gz`);
    const second = await pack(root, { driver, cache: folder });
    expect(second.id).toBe(first.id);
    expect(second.layers.map(({ outcome }) => outcome)).toEqual(["there", "there", "uploaded"]);
    expect(await driver.head(`layers/${first.layers[2]!.sha256}.tar.gz`)).toBeDefined();
  });

  test("one that is damaged, of another project or cannot be written is none", { timeout: 60_000 }, async () => {
    const root = project({ "a.js": "1" });
    const folder = cache();
    await settle(root);
    const other = project({ "a.js": "1" });
    await settle(other);
    await readsOf(root, folder);
    await readsOf(other, folder);
    // Each keeps its own.
    expect([await readsOf(root, folder), await readsOf(other, folder)]).toEqual([[], []]);
    rmSync(folder, { recursive: true });
    await readsOf(root, folder);
    const files = readdirSync(folder);
    expect(files).toHaveLength(3);
    for (const name of files) {
      const record = JSON.parse(readFileSync(join(folder, name), "utf8")) as { layer: object };
      for (const text of [
        "",
        "{",
        "[]",
        JSON.stringify({ ...record, layer: { ...record.layer, sha256: "../x" } }),
        JSON.stringify({ ...record, layer: { ...record.layer, bytes: "1" } }),
        JSON.stringify({ ...record, key: "0" }),
      ]) {
        writeFileSync(join(folder, name), text);
        expect(await readsOf(root, folder)).toHaveLength(1);
      }
    }
    expect(await readsOf(project({ "a.js": "1" }), folder)).toEqual(["dependencies", "app"]);
    const blocked = join(cache(), "file");
    writeFileSync(blocked, "");
    expect(await readsOf(root, blocked)).toHaveLength(3);
  });
});

test("memory stays flat, however large the tree is", { timeout: 120_000 }, async () => {
  const root = project();
  mkdirSync(join(root, "data"));
  const piece = Buffer.from(Array.from({ length: 1_000_000 }, (_, at) => (at * 31) >> (at % 5)));
  for (let index = 0; index < 150; index++) writeFileSync(join(root, "data", `${index}.bin`), piece);
  const code = `
    import { packRelease } from ${JSON.stringify(join(repository, "src/deploy/release/pack.ts"))};
    import { fileDriver } from ${JSON.stringify(join(repository, "src/store/drivers/file.ts"))};
    import { systemClock } from ${JSON.stringify(join(repository, "src/clock.ts"))};
    let most = 0;
    const onProgress = () => { most = Math.max(most, process.memoryUsage().rss); };
    onProgress();
    const before = most;
    const driver = fileDriver({ folder: ${JSON.stringify(emptyFolder("store"))}, clock: systemClock });
    const { layers } = await packRelease({ root: ${JSON.stringify(root)}, node: ${JSON.stringify(fakeNode())}, agent: "main.js", driver, clock: systemClock, cache: false, onProgress });
    console.log(JSON.stringify({ grown: most - before, bytes: layers[2].bytes, unpackedBytes: layers[2].unpackedBytes }));`;
  const { stdout, stderr } = await startScript(code, { timeout: 110_000 }).finished;
  const seen = JSON.parse(stdout || stderr) as { grown: number; bytes: number; unpackedBytes: number };
  expect(seen.unpackedBytes).toBeGreaterThan(150_000_000);
  expect(seen.grown / 1e6).toBeLessThan(110);
  console.log(`packing 150 MB took ${Math.round(seen.grown / 1e6)} MB of memory more`);
});

test("it is told how far it is, up to the last byte", async () => {
  const seen: PackProgress[] = [];
  const root = project({ "a.bin": Buffer.alloc(300_000, "xy") });
  await pack(root, { driver, onProgress: (progress) => seen.push(progress) });
  expect(seen[0]).toMatchObject({
    step: "planned",
    layers: [{ name: "node" }, { name: "dependencies" }, { name: "app" }],
  });
  const of = (step: string): PackProgress[] =>
    seen.filter((each) => each.step === step && "layer" in each && each.layer === "app");
  for (const step of ["pack", "upload"])
    expect(of(step).at(-1)).toSatisfy(
      ({ done, total }: { done: number; total: number }) => done === total && total > 0,
    );
  expect(of("done")).toHaveLength(1);
});

/** Time in which pauses take no time. */
const hurried = {
  now: () => 0,
  wall: () => 0,
  timer: (_ms: number, fire: () => void) => (setImmediate(fire), { cancel() {}, hold() {} }),
};

function timesBelow(path: string): number[] {
  const stats = statSync(path);
  return [
    stats.ctimeMs,
    ...(stats.isDirectory() ? readdirSync(path).flatMap((name) => timesBelow(join(path, name))) : []),
  ];
}
