import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { StoreConflictError, StoreDataError, StoreError } from "../../src/errors.ts";
import type { StoreDriver } from "../../src/ports/store.ts";
import { blobOf, type StoreBlob } from "../../src/store/blob.ts";
import { memoryDriver } from "../../src/store/drivers/memory.ts";
import { guarded } from "../../src/store/probe.ts";
import { Requests } from "../../src/store/requests.ts";
import { startScript } from "../harness/script.ts";
import { activeResources, expectNoResourceLeft } from "../harness/leaks.ts";
import { type S3Server, startS3 } from "../harness/s3/server.ts";
import { spawnS3 } from "../harness/s3/spawn.ts";
import { bytesOf, driverOf, patternAt, patterned } from "./s3-site.ts";

const handles = { blob: () => ({ type: "", data: 0 }) };
const read = (blob: StoreBlob, options = {}) => bytesOf(blob.stream(options) as AsyncIterable<Uint8Array>);

/** Without a listener for errors, as a stream in somebody's hand has none. */
const closing = (stream: Readable) => new Promise((resolve) => stream.once("close", resolve));

describe("a blob over a connection that breaks", () => {
  let server: S3Server;
  let driver: StoreDriver;
  let requests: Requests;
  let blob: StoreBlob;
  let before: ReadonlyMap<string, number>;
  const size = 3_000_000;

  beforeAll(async () => {
    before = activeResources();
    server = await startS3();
    driver = guarded(driverOf(server));
    requests = new Requests({ driver, clock: systemClock });
    blob = blobOf(requests, "blob", handles);
  });
  beforeEach(async () => {
    server.faults.clear();
    await blob.write(patternAt(0, size));
    server.requests.clear();
  });
  afterAll(async () => {
    await driver.close();
    await server.dispose();
    await expectNoResourceLeft(before);
  });

  test("goes on where it was, and repeats and leaves out nothing", async () => {
    server.faults.add({ kind: "cutBody", times: 3 });
    expect((await read(blob)).equals(patternAt(0, size))).toBe(true);
    expect(server.requests.count("GetObject")).toBe(4);
    server.faults.add({ kind: "cutBody", times: 3 });
    expect(Buffer.from(await blob.bytes()).equals(patternAt(0, size))).toBe(true);
  });

  test("goes on within its range", async () => {
    server.faults.add({ kind: "cutBody", times: 2 });
    expect((await read(blob, { start: 1_000, end: 2_000_001 })).equals(patternAt(1_000, 1_999_001))).toBe(true);
  });

  test("is asked for again while it does not begin", async () => {
    server.faults.add({ kind: "unavailableBefore", times: 2 });
    expect((await read(blob)).length).toBe(size);
    server.faults.add({ kind: "lostReply", operation: "ListObjectsV2" });
    expect(await blob.info()).toMatchObject({ size });
    server.faults.add({ kind: "lostReply", operation: "DeleteObject" });
    await blob.delete();
    expect(server.buckets.keys("test")).toEqual([]);
  });

  test("gives up at last", async () => {
    await blob.write(patternAt(0, 1_000));
    server.requests.clear();
    // What comes before each cut is less and less, so it never gets on.
    server.faults.add({ kind: "cutBody", times: Infinity });
    const error = await read(blob).catch((reason: unknown) => reason);
    expect(StoreError.is(error)).toBe(true);
    expect(error).toMatchObject({ transient: true });
    expect(server.requests.count("GetObject")).toBe(6);
  });

  test("does not go on with another version", async () => {
    for (const change of [() => blob.write("new"), () => blob.delete()]) {
      await blob.write(patternAt(0, size));
      server.faults.add({ kind: "cutBody" });
      let changed = false;
      const reading = (async () => {
        for await (const piece of blob.stream() as AsyncIterable<Uint8Array>) {
          expect(piece.length).toBeGreaterThan(0);
          if (!changed) await change();
          changed = true;
        }
      })();
      const error = await reading.catch((reason: unknown) => reason);
      expect(StoreConflictError.is(error)).toBe(true);
      expect((error as Error).message).toContain("changed or deleted while it was read");
    }
  });

  test("with a wrong bit is refused, and read again where nobody has seen it yet", async () => {
    server.faults.add({ kind: "corruptBody" });
    expect(StoreDataError.is(await read(blob).catch((reason: unknown) => reason))).toBe(true);
    expect(server.requests.count("GetObject")).toBe(1);
    server.faults.add({ kind: "corruptBody", times: 2 });
    expect(Buffer.from(await blob.bytes()).equals(patternAt(0, size))).toBe(true);
    server.requests.clear();
    server.faults.add({ kind: "corruptBody", times: Infinity });
    expect(StoreDataError.is(await blob.text().catch((reason: unknown) => reason))).toBe(true);
    expect(server.requests.count("GetObject")).toBe(3);
  });

  test("that was cut is compared with the checksum of all of it", async () => {
    server.faults.add({ kind: "cutBody" });
    server.faults.add({ kind: "corruptBody" });
    expect(await read(blob).catch((reason: unknown) => reason)).toMatchObject({
      code: "ERR_TINDERBOX_STORE_DATA",
      message: `Cannot read blob "blob" of ${driver.name}: its checksum is not that of what was written; read it again, or write it anew`,
      key: "blob",
    });
    expect(server.requests.count("GetObject")).toBe(2);
    // What nobody has seen yet is read once more.
    server.faults.add({ kind: "cutBody" });
    server.faults.add({ kind: "corruptBody" });
    expect(Buffer.from(await blob.bytes()).equals(patternAt(0, size))).toBe(true);
    expect(server.requests.count("GetObject")).toBe(5);
  });

  test("is written again when all of it is there", async () => {
    for (const data of ["text", patternAt(0, 100), new Blob(["blob"])]) {
      server.requests.clear();
      server.faults.add({ kind: "unavailableBefore", operation: "PutObject", times: 2 });
      await blob.write(data);
      expect(server.requests.count("PutObject")).toBe(3);
    }
  });

  test("says that it may be written when its writer gives up too late", async () => {
    const cause = new Error("enough");
    for (const data of ["late", patterned(10)]) {
      const caller = new AbortController();
      const hang = server.faults.add({ kind: "hang", operation: "PutObject" });
      const write = blob.write(data, { signal: caller.signal }).catch((error: unknown) => error);
      await hang.strikes();
      caller.abort(cause);
      expect(await write).toMatchObject({ code: "ERR_TINDERBOX_STORE", maybe: true, cause });
      hang.release();
    }
  });

  test("is written once when it can be read once", async () => {
    server.faults.add({ kind: "unavailableBefore", operation: "PutObject", key: "blob" });
    await expect(blob.write(patterned(1_000))).rejects.toMatchObject({ transient: true });
    expect(server.requests.count("PutObject")).toBe(1);
    expect((await read(blob)).length).toBe(size);
  });

  test("waits for a trial of the server before it reads what it is to write", async () => {
    await using other = driverOf(server);
    const fresh = blobOf(new Requests({ driver: guarded(other), clock: systemClock }), "fresh", handles);
    server.faults.add({ kind: "unavailableBefore", operation: "PutObject", key: /probe/, times: 4 });
    expect(await fresh.write(patterned(1_000), { ifAbsent: true })).toMatchObject({ size: 1_000 });
    await fresh.delete();
  });

  test("hears of a stream that fails before the store is ready for it", async () => {
    await using other = driverOf(server);
    const fresh = blobOf(new Requests({ driver: guarded(other), clock: systemClock }), "fresh", handles);
    const hang = server.faults.add({ kind: "hang", operation: "PutObject", key: /probe/ });
    const file = createReadStream("/nowhere/at/all");
    const failed = closing(file);
    const write = fresh.write(file, { ifAbsent: true });
    await Promise.all([failed, hang.strikes()]);
    hang.release();
    await expect(write).rejects.toMatchObject({ code: "ENOENT" });
    expect(server.buckets.keys("test")).toEqual(["blob"]);
  });

  test("gives back the stream that it did not begin to read", async () => {
    await using other = driverOf(server, { bucket: "none" });
    const fresh = blobOf(new Requests({ driver: guarded(other), clock: systemClock }), "fresh", handles);
    for (const signal of [undefined, AbortSignal.abort()]) {
      const stream = Readable.from([Buffer.from("a"), Buffer.from("b")]);
      const closed = closing(stream);
      await expect(fresh.write(stream, { ifAbsent: true, signal })).rejects.toThrow(/no bucket|aborted/);
      await closed;
      expect(stream.destroyed).toBe(true);
    }
  });

  test("leaves no part and nothing of itself when it fails in the middle", async () => {
    await blob.delete();
    const upload = () => patterned(21 * 2 ** 20);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* upload();
      throw new Error("the disk is gone");
    }
    await expect(blob.write(broken())).rejects.toThrow("the disk is gone");
    server.faults.add({ kind: "internalBefore", operation: "UploadPart", times: Infinity });
    await expect(blob.write(upload())).rejects.toMatchObject({ transient: true });
    server.faults.clear();
    const caller = new AbortController();
    const hang = server.faults.add({ kind: "hang", operation: "UploadPart" });
    const aborted = blob.write(upload(), { signal: caller.signal });
    await hang.strikes();
    const cause = new Error("enough");
    caller.abort(cause);
    await expect(aborted).rejects.toMatchObject({ code: "ABORT_ERR", cause });
    hang.release();
    expect(server.parts()).toEqual([]);
    expect(server.buckets.keys("test")).toEqual([]);
  });
});

test("a blob whose reader leaves ends the request that has no answer yet", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const driver: StoreDriver = {
    ...memoryDriver({ clock: systemClock }),
    read(_key, options) {
      asked.resolve(options!.signal!);
      return new Promise((_resolve, reject) =>
        options!.signal!.addEventListener("abort", () => reject(options!.signal!.reason as Error)),
      );
    },
  };
  const reader = blobOf(new Requests({ driver, clock: systemClock }), "blob", handles)
    .stream()
    .getReader();
  const first = reader.read();
  const signal = await asked.promise;
  const reason = new Error("enough");
  await reader.cancel(reason);
  expect(await first).toEqual({ done: true, value: undefined });
  expect(signal.reason).toBe(reason);
});

describe("a blob that is cut now and then", () => {
  /** Cuts each read when it has given so many bytes. */
  function cutting(driver: StoreDriver, most: number): StoreDriver {
    return {
      ...driver,
      async read(key, options) {
        const found = await driver.read(key, options);
        if (typeof found !== "object") return found;
        async function* body(): AsyncGenerator<Uint8Array> {
          let left = most;
          for await (const piece of (found as { body: AsyncIterable<Uint8Array> }).body) {
            yield piece.subarray(0, left);
            left -= piece.length;
            if (left <= 0)
              throw new StoreError("Cannot read: the connection was lost", { store: "test", transient: true });
          }
        }
        return { ...found, body: body() };
      },
    };
  }

  test.each([
    [2 ** 20, true],
    [2 ** 20 - 1, false],
  ])("each %i bytes gets to its end: %s", async (most, whole) => {
    const driver = cutting(memoryDriver({ clock: systemClock }), most);
    const requests = new Requests({ driver, clock: systemClock });
    const blob = blobOf(requests, "blob", handles);
    await blob.write(patternAt(0, 9 * 2 ** 20));
    const got = await read(blob).then(
      (all) => all.equals(patternAt(0, 9 * 2 ** 20)),
      (error: unknown) => !StoreError.is(error),
    );
    expect(got).toBe(whole);
    // One that is cut after its last byte is there.
    expect(requests.counts.read).toBe(whole ? 9 : 6);
  });
});

test.each([
  ["as it was written", 0, undefined],
  ["with a wrong bit", 1, "ERR_TINDERBOX_STORE_DATA"],
])("a blob that is cut after its last byte, %s, is compared all the same", async (_how, bit, code) => {
  const driver = memoryDriver({ clock: systemClock });
  const body = Buffer.from("0123456789");
  async function* cut(): AsyncGenerator<Uint8Array> {
    yield body.map((byte, at) => byte ^ (at === 5 ? bit : 0));
    throw new StoreError("Cannot read: the connection was lost", { store: "test", transient: true });
  }
  const broken = { ...driver, read: async () => ({ etag: "1", size: 10, crc32: crc32(body), body: cut() }) };
  const blob = blobOf(new Requests({ driver: broken, clock: systemClock }), "blob", handles);
  const got = await blob.text().catch((error: StoreError) => error.code);
  expect(got).toBe(code ?? "0123456789");
});

test("a gigabyte goes to S3 and back in little memory", { timeout: 60_000 }, async () => {
  await using server = await spawnS3();
  const { endpoint, region, credentials } = server;
  const program = fileURLToPath(new URL("programs/blob-large.ts", import.meta.url));
  const script = startScript(program, {
    args: [endpoint, region, credentials.accessKeyId, credentials.secretAccessKey, "1024"],
    execArgv: ["--expose-gc"],
    timeout: 55_000,
  });
  const { code, stdout } = await script.finished;
  expect(code).toBe(0);
  const { same, growth } = JSON.parse(stdout) as { same: boolean; growth: number };
  expect(same).toBe(true);
  expect(growth).toBeLessThan(150 * 2 ** 20);
  expect(await server.parts()).toEqual([]);
});
