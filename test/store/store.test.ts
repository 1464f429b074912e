import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { StoreConflictError } from "../../src/errors.ts";
import { events } from "../../src/events/index.ts";
import { type Cell, type Store, openStore } from "../../src/store.ts";
import { testRun } from "../harness/run.ts";
import { environmentOf } from "../harness/s3/environment.ts";
import { startS3 } from "../harness/s3/server.ts";
import { startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";

const stores: Store[] = [];
let made = 0;

afterEach(() => Promise.all(stores.splice(0).map((each) => each.close())));

function opened(...args: Parameters<typeof openStore>): Store {
  const store = openStore(...args);
  stores.push(store);
  return store;
}

const folder = (): URL => pathToFileURL(join(testRun.folder, `stores-${++made}`));

async function keysOf(store: Store, prefix?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

describe("an address", () => {
  test.each([
    ["http://bucket/a", "a URL of s3:, file: or memory: is wanted"],
    ["bucket", "a URL of s3:, file: or memory: is wanted"],
    ["memory:name", 'it is "memory:", without a name'],
    ["file:here", "an absolute folder is wanted"],
    ["file://host/folder", "an absolute folder is wanted"],
    ["s3://", "s3://bucket/prefix is wanted"],
    ["s3://bucket/prefix?region=here", "region, endpoint and credentials are options"],
  ])("%s is refused", (url, why) => {
    expect(() => openStore(url)).toThrow(why);
  });

  test("is not shown when it holds a password", () => {
    expect(() => openStore("s3://key:secret@bucket/a")).toThrow(/^(?!.*secret).*s3:\/\/bucket\/prefix is wanted/);
  });

  test("has options that fit it", () => {
    expect(() => openStore("memory:", { region: "here" })).toThrow("options are for s3: only");
    expect(() => openStore("s3://bucket", { regoin: "here" } as never)).toThrow('did you mean "region"?');
  });

  test("of S3 with a prefix sees nothing of others", async () => {
    await using s3 = await startS3();
    const { endpoint, region, credentials } = s3;
    const bucket = s3.buckets.names()[0]!;
    const [app, apple] = ["app/", "apple"].map((prefix) =>
      opened(`s3://${bucket}/${prefix}`, { endpoint, region, credentials }),
    ) as [Store, Store];
    await app.cell("a").set(1);
    await apple.cell("b").set(1);
    expect([await keysOf(app), await keysOf(apple)]).toEqual([["a"], ["b"]]);
    expect(s3.buckets.keys(bucket)).toEqual(["app/a", "apple/b"]);
  });

  test("of a server that is not AWS may come from the environment", async () => {
    await using s3 = await startS3({ buckets: ["by-environment"] });
    const code = `
      import { openStore } from "tinderbox/store";
      await using store = openStore("s3://by-environment/app");
      console.log(await store.cell("hits", { initial: 0 }).update((hits) => hits + 1));
    `;
    const { stdout, stderr } = await startScript(code, { env: environmentOf(s3) }).finished;
    expect(stdout, stderr).toBe("1\n");
  });
});

describe("a key", () => {
  test.each([
    ["", "it is empty; 1 to 800"],
    [5 as never, "it is no string; 1 to 800"],
    ["a".repeat(801), "it has 801 bytes; 1 to 800"],
    ["ä".repeat(401), "it has 802 bytes; 1 to 800"],
    [".tinderbox/lease/a", "the store's own"],
    ["\ud800", "it is not well-formed Unicode"],
  ])("%j is refused everywhere", async (key, why) => {
    const store = opened("memory:");
    expect(() => store.cell(key)).toThrow(why);
    expect(() => store.blob(key)).toThrow(why);
    await expect(store.memo(key, () => 1)).rejects.toThrow(why);
    for (const act of [() => store.lease(key), () => store.lock(key), () => store.elect(key, () => 1)])
      await expect((async () => act())()).rejects.toThrow(why);
    await expect(store.delete(key)).rejects.toThrow(why);
  });
});

test("types follow the options", () => {
  const store = opened("memory:");
  const memo = (): Promise<string> => store.memo("a", async () => "text");
  const elected = () => store.elect("a", () => 5);
  expectTypeOf(store.cell("a", { initial: 0 })).toEqualTypeOf<Cell<number>>();
  expectTypeOf(store.cell<string>("a")).toEqualTypeOf<Cell<string | undefined>>();
  expectTypeOf(store.cell("a", { schema: z.object({ n: z.number() }) })).toEqualTypeOf<
    Cell<{ n: number } | undefined>
  >();
  expectTypeOf(memo).returns.toEqualTypeOf<Promise<string>>();
  expectTypeOf(elected).returns.toEqualTypeOf<Promise<number>>();
  expect(store.name).toBe("memory:");
});

describe.each(["memory:", "file:"])("in %s", (scheme) => {
  const open = (): Store => opened(scheme === "memory:" ? scheme : folder());

  test("lists know cells, blobs and memos, and nothing of leases", async () => {
    const store = open();
    await store.cell("b/cell").set(1);
    await store.blob("b/blob").write("text");
    await store.memo("a/memo", () => 1);
    await using lease = await store.lease("b/lease");
    expect(lease.token).toBe(1);
    expect(await keysOf(store)).toEqual(["a/memo", "b/blob", "b/cell"]);
    expect(await keysOf(store, "b/")).toEqual(["b/blob", "b/cell"]);
    for await (const { key, size, etag, modified } of store.list("b/blob"))
      expect([key, size, typeof etag, typeof modified]).toEqual(["b/blob", 4, "string", "number"]);
  });

  test("what was deleted is as if it had never been; leases cannot be", async () => {
    const store = open();
    const cell = store.cell("a", { initial: 0 });
    await cell.set(5);
    const { value } = await store.list().next();
    await cell.set(6);
    const late = store.delete("a", { ifMatch: value!.etag });
    await expect(late).rejects.toThrow(StoreConflictError);
    await expect(late).rejects.toMatchObject({ reason: "changed", key: "a" });
    await store.delete("a");
    await store.delete("a");
    expect(await cell.get()).toBe(0);
    await (await store.lease("mine")).release();
    await store.delete("mine");
    await using lease = await store.lease("mine");
    expect(lease.token).toBe(2);
  });

  test("a memo is forgotten when it is deleted", async () => {
    const store = open();
    expect(await store.memo("a", () => 1)).toBe(1);
    expect(await store.memo("a", () => 2)).toBe(1);
    await store.delete("a");
    expect(await store.memo("a", () => 2)).toBe(2);
  });

  test("a lease writes cells as long as it is held", async () => {
    const store = open();
    const cell = store.cell("a", { initial: 0 });
    const lease = await store.lease("writer");
    await cell.set(1, { lease });
    await expect(store.lease("writer")).rejects.toMatchObject({ name: "StoreConflictError", reason: "held" });
    await lease.release();
    await expect(cell.set(2, { lease })).rejects.toMatchObject({ name: "LeaseLostError", key: "writer", token: 1 });
    expect(await cell.get()).toBe(1);
  });

  test("one is elected at a time", async () => {
    const store = open();
    let [at, most] = [0, 0];
    const tokens = await Promise.all(
      Array.from({ length: 4 }, () =>
        store.elect("leader", async ({ token }) => {
          most = Math.max(most, ++at);
          await new Promise((resolve) => setImmediate(resolve));
          at--;
          return token;
        }),
      ),
    );
    expect(most).toBe(1);
    expect(tokens.toSorted()).toEqual([1, 2, 3, 4]);
  });

  test("the end of the store releases its leases, ends its watches, and refuses more", async () => {
    const store = open();
    const cell = store.cell("a", { initial: 0 });
    const lease = await store.lease("mine");
    const watch = cell.watch();
    await watch.next();
    const next = watch.next();
    next.catch(() => {});
    expect(store.stats()).toMatchObject({ watches: 1, leases: 1 });
    await store.close();
    expect(lease.signal.aborted).toBe(true);
    await expect(next).rejects.toThrow("it was aborted");
    await expect(cell.get()).rejects.toThrow("it is closed");
    expect(store.stats()).toMatchObject({ watches: 0, leases: 0 });
  });
});

test("a deletion whose answer was lost is found to be done, and one that others have overtaken is not", async () => {
  await using s3 = await startS3();
  const { endpoint, region, credentials } = s3;
  const store = opened(`s3://${s3.buckets.names()[0]!}`, { endpoint, region, credentials });
  const { etag } = await store.blob("a").write("one", { ifAbsent: true });
  s3.faults.add({ kind: "conditionAfterSuccess", operation: "DeleteObject", key: "a" });
  await store.delete("a", { ifMatch: etag });
  expect(await store.blob("a").exists()).toBe(false);
  await store.blob("a").write("two");
  await expect(store.delete("a", { ifMatch: etag })).rejects.toMatchObject({ reason: "changed", maybe: false });
});

test("stats say what was asked, and what an hour and a month of doing nothing cost", async () => {
  await using s3 = await startS3();
  const { endpoint, region, credentials } = s3;
  const store = opened(`s3://${s3.buckets.names()[0]!}`, { endpoint, region, credentials });
  const cell = store.cell("a", { initial: 0 });
  await cell.get();
  await using lease = await store.lease("mine");
  const watch = cell.watch();
  await watch.next();
  const { requests, perHour, ...rest } = store.stats();
  expect(rest).toEqual({ watches: 1, leases: 1 });
  expect(lease.token).toBe(1);
  expect(requests.read).toBeGreaterThanOrEqual(2);
  expect(perHour).toMatchObject({ reads: 720, writes: 360 });
  // 730 hours of 720 reads at $0.0004 and 360 writes at $0.005 for a thousand.
  expect(perHour.dollarsPerMonth).toBeCloseTo(0.21 + 1.314, 2);
  await watch.return();
});

test("stats count every request that S3 charges", async () => {
  await using s3 = await startS3();
  const { endpoint, region, credentials } = s3;
  const store = opened(`s3://${s3.buckets.names()[0]!}`, { endpoint, region, credentials });
  const blob = store.blob("a");
  const parts = async function* (): AsyncGenerator<Uint8Array> {
    for (let piece = 0; piece < 20; piece++) yield new Uint8Array(2 ** 20);
  };
  // With a trial of the server first.
  await blob.write(parts(), { ifAbsent: true });
  s3.faults.add({ kind: "conflict", operation: "CompleteMultipartUpload" });
  await expect(blob.write(parts())).rejects.toMatchObject({ transient: true });
  s3.faults.clear();
  expect([await blob.exists(), (await blob.bytes()).length]).toEqual([true, 20 * 2 ** 20]);
  await store.cell("b").set(1);
  for await (const { key } of store.list()) expect(["a", "b"]).toContain(key);
  await using lease = await store.lease("c");
  expect(lease.token).toBe(1);
  await blob.delete();
  const asked = (...operations: Parameters<typeof s3.requests.count>[0][]): number =>
    operations.reduce((sum, operation) => sum + s3.requests.count(operation), 0);
  const multipart = ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload"] as const;
  expect(multipart.map((operation) => s3.requests.count(operation) > 0)).toEqual([true, true, true, true]);
  expect(store.stats().requests).toMatchObject({
    read: asked("GetObject", "HeadObject"),
    write: asked("PutObject", "DeleteObject", ...multipart),
    list: asked("ListObjectsV2"),
  });
  expect(s3.requests.count("ListObjectsV2")).toBe(1);
});

test("a watch that cannot read is an event", async () => {
  await using s3 = await startS3();
  const { endpoint, region, credentials } = s3;
  const store = opened(`s3://${s3.buckets.names()[0]!}`, { endpoint, region, credentials });
  const heard: { readonly key: string }[] = [];
  using listening = events.on("store.failing", (event) => void heard.push(event));
  const watch = store.cell("a", { initial: 0 }).watch({ every: "100ms" });
  await watch.next();
  const next = watch.next();
  const fault = s3.faults.add({ kind: "internalBefore", operation: "GetObject", times: 4 });
  await fault.strikes(1);
  await until("the event", () => heard.length === 1);
  expect(heard[0]).toMatchObject({ key: "a", error: expect.objectContaining({ name: "StoreError" }) });
  await store.cell("a").set(4);
  expect((await next).value).toBe(4);
  void listening;
  await watch.return();
});

test("who is told to end gives its leases back first", async () => {
  const url = folder();
  const code = `
    import { openStore } from "tinderbox/store";
    const store = openStore(${JSON.stringify(url.href)});
    const lease = await store.lease("mine", { ttl: "1h" });
    console.log("token", lease.token);
    setInterval(() => {}, 1e6);
  `;
  const script = startScript(code);
  await script.see(/token 1/);
  await expect(opened(url).lease("mine")).rejects.toMatchObject({ reason: "held" });
  script.kill("SIGTERM");
  expect((await script.finished).signal).toBe("SIGTERM");
  await using lease = await opened(url).lease("mine");
  expect(lease.token).toBe(2);
});

test("who ends by itself gives its leases back, too", async () => {
  const url = folder();
  const code = `
    import { openStore } from "tinderbox/store";
    await openStore(${JSON.stringify(url.href)}).lease("mine", { ttl: "1h" });
  `;
  expect((await startScript(code).finished).code).toBe(0);
  await using lease = await opened(url).lease("mine");
  expect(lease.token).toBe(2);
});

test.each([
  [{ region: 7 }, "as region"],
  [{ endpoint: "localhost:9000" }, "Cannot use the endpoint: it is no URL of http: or https:"],
  [{ forcePathStyle: "no" }, "as forcePathStyle"],
])("options that make no sense are refused: %j", (options, why) => {
  expect(() => openStore("s3://bucket", options as never)).toThrow(why);
});
