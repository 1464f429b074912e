import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { StoreConflictError, StoreDataError, StoreError } from "../../src/errors.ts";
import type { StoreDriver } from "../../src/ports/store.ts";
import { type BlobData, blobOf, type StoreBlob } from "../../src/store/blob.ts";
import { fileDriver } from "../../src/store/drivers/file.ts";
import { memoryDriver } from "../../src/store/drivers/memory.ts";
import { guarded } from "../../src/store/probe.ts";
import { Requests } from "../../src/store/requests.ts";
import { handleOf } from "../../src/value/port.ts";
import { activeResources, expectNoResourceLeft } from "../harness/leaks.ts";
import { testRun } from "../harness/run.ts";
import { startS3 } from "../harness/s3/server.ts";
import { bytes, bytesOf, driverOf, patternAt, patterned } from "./s3-site.ts";

interface Opened {
  readonly driver: StoreDriver;
  close(): Promise<void>;
}

const stores: [name: string, open: () => Promise<Opened>][] = [
  [
    "memory:",
    async () => {
      const driver = memoryDriver({ clock: systemClock });
      return { driver, close: () => driver.close() };
    },
  ],
  [
    "file:",
    async () => {
      const folder = mkdtempSync(join(testRun.folder, "blob-"));
      const driver = fileDriver({ folder, clock: systemClock });
      const close = async () => {
        await driver.close();
        rmSync(folder, { recursive: true });
      };
      return { driver, close };
    },
  ],
  [
    "s3:",
    async () => {
      const server = await startS3();
      const driver = guarded(driverOf(server, { prefix: "app" }));
      const close = async () => {
        await driver.close();
        await server.dispose();
      };
      return { driver, close };
    },
  ],
];

const handles = { blob: (key: string) => ({ type: "blob", data: key }) };

describe.each(stores)("a blob in %s", (name, open) => {
  let opened: Opened;
  let requests: Requests;
  let resources: ReadonlyMap<string, number>;
  let blob: StoreBlob;
  const other = (key: string) => blobOf(requests, key, handles);

  beforeAll(async () => {
    resources = activeResources();
    opened = await open();
    requests = new Requests({ driver: opened.driver, clock: systemClock });
    blob = other("dir/the blob");
  });
  beforeEach(() => blob.delete());
  afterAll(async () => {
    await opened.close();
    await expectNoResourceLeft(resources);
  });

  async function* iterable(...parts: (string | Uint8Array)[]): AsyncGenerator<string | Uint8Array> {
    yield* parts;
  }
  const smile = "\u{1f600}";
  const data: [what: string, make: () => BlobData, text: string][] = [
    ["a string", () => "héllo", "héllo"],
    ["no character", () => "", ""],
    ["bytes", () => bytes("bytes"), "bytes"],
    ["a part of a buffer", () => new Uint8Array(new Uint8Array(bytes("abcdef")).buffer, 2, 3), "cde"],
    ["a buffer", () => new Uint8Array(bytes("buffer")).buffer, "buffer"],
    ["a view of something else", () => new DataView(new Uint8Array(bytes("view")).buffer) as never, "view"],
    ["a Blob", () => new Blob(["bl", "ob"]), "blob"],
    ["a web stream", () => new Response("stream").body!, "stream"],
    ["a stream of Node", () => Readable.from([Buffer.from("no"), Buffer.from("de")]), "node"],
    ["an async iterable of both", () => iterable("a", bytes("b"), "", "c"), "abc"],
    ["an empty one", () => iterable(), ""],
    [
      "a character in two halves",
      () => iterable(`x${smile[0]}`, smile[1]!, `${smile[0]}`, `${smile[1]}y`),
      `x${smile}${smile}y`,
    ],
    ["half a character", () => iterable(smile[0]!, bytes("y"), smile[0]!), "\ufffdy\ufffd"],
  ];
  test.each(data)("is written from %s", async (_what, make, text) => {
    const { etag, size } = await blob.write(make());
    expect(await blob.text()).toBe(text);
    expect(size).toBe(Buffer.byteLength(text));
    expect(await blob.info()).toEqual({ etag, size, modified: expect.any(Number) as number });
  });

  test("is what was written, whatever its size", async () => {
    for (const size of [1, 65_536, 8 * 2 ** 20, 20 * 2 ** 20 + 1]) {
      for (const make of [() => patternAt(0, size), () => patterned(size, 100_001)]) {
        expect(await blob.write(make())).toMatchObject({ size });
        expect((await bytesOf(blob.stream() as AsyncIterable<Uint8Array>)).equals(patternAt(0, size))).toBe(true);
      }
    }
  });

  test("is read at once: bytes of its own, text, JSON", async () => {
    await blob.write('{"a":[1,"é"]}');
    const own = await blob.bytes();
    expect([own.constructor.name, own.byteOffset, own.buffer.byteLength]).toEqual(["Uint8Array", 0, 14]);
    expect(await blob.json()).toEqual({ a: [1, "é"] });
    expect(await blob.text({ start: 2, end: 3 })).toBe("a");
  });

  test("that is no JSON says so, without what it holds", async () => {
    await blob.write("secret");
    const error = await blob.json().catch((reason: unknown) => reason as Error);
    expect(StoreDataError.is(error)).toBe(true);
    expect((error as Error).message).toBe(
      `Cannot read blob "dir/the blob" of ${requests.name} as JSON: it is something else; use text() or bytes()`,
    );
    expect((error as Error).cause).toBeUndefined();
  });

  test("that is not there is missing, and that is no surprise for info, exists and delete", async () => {
    const reads = {
      stream: () => blob.stream().getReader().read(),
      bytes: () => blob.bytes(),
      text: () => blob.text({ start: 5 }),
      json: () => blob.json(),
    };
    for (const read of Object.values(reads)) {
      const error = await (read() as Promise<unknown>).catch((reason: unknown) => reason);
      expect(StoreError.is(error) && !StoreConflictError.is(error)).toBe(true);
      expect(error).toMatchObject({
        code: "ERR_TINDERBOX_STORE",
        missing: true,
        key: "dir/the blob",
        store: requests.name,
        transient: false,
        message: `Cannot read blob "dir/the blob" of ${requests.name}: there is none; write it first`,
      });
    }
    await other("dir/the blob, and more").write("x");
    expect(await blob.info()).toBeUndefined();
    expect(await blob.exists()).toBe(false);
    await blob.delete();
    await blob.write("x");
    expect(await blob.exists()).toBe(true);
    await other("dir/the blob, and more").delete();
  });

  test("has ranges", async () => {
    await blob.write(patterned(300_000, 7_001));
    const all = patternAt(0, 300_000);
    const ranges = [
      {},
      { start: 0, end: 0 },
      { start: 10 },
      { end: 10 },
      { start: 65_535, end: 65_537 },
      { start: 299_999, end: 400_000 },
      { start: 300_000 },
      { start: 400_000, end: 500_000 },
      { start: 7, end: 7 },
    ];
    for (const { start, end } of ranges) {
      const expected = Buffer.from(all.subarray(start ?? 0, end ?? 300_000));
      const range = { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
      expect(expected.equals(await blob.bytes(range))).toBe(true);
      expect((await bytesOf(blob.stream(range) as AsyncIterable<Uint8Array>)).equals(expected)).toBe(true);
    }
  });

  test("is written, read and deleted under conditions", async () => {
    const facts = { reason: "changed", key: "dir/the blob", store: requests.name, maybe: false };
    const { etag: first } = await blob.write("one", { ifAbsent: true });
    await expect(blob.write("two", { ifAbsent: true })).rejects.toMatchObject(facts);
    const { etag: second } = await blob.write("two", { ifMatch: first });
    await expect(blob.write("three", { ifMatch: first })).rejects.toMatchObject(facts);
    await expect(blob.write(iterable("three"), { ifMatch: first })).rejects.toMatchObject(facts);
    await expect(blob.text({ ifMatch: first })).rejects.toMatchObject(facts);
    await expect(blob.stream({ ifMatch: first }).getReader().read()).rejects.toMatchObject(facts);
    expect(await blob.text({ ifMatch: second })).toBe("two");
    await expect(blob.delete({ ifMatch: first })).rejects.toMatchObject(facts);
    await blob.delete({ ifMatch: second });
    expect(await blob.exists()).toBe(false);
    const refused = await blob.write("x", { ifMatch: second }).catch((reason: unknown) => reason);
    expect(StoreConflictError.is(refused)).toBe(true);
  });

  test("stays as it was when its new content throws", async () => {
    const reason = new Error("the disk is gone");
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* patterned(9 * 2 ** 20);
      throw reason;
    }
    await blob.write("before");
    await expect(blob.write(broken())).rejects.toBe(reason);
    await expect(blob.write(iterable("a", 5 as never))).rejects.toThrow(
      'Cannot write 5 as a piece of blob "dir/the blob": a string or bytes are wanted',
    );
    expect(await blob.text()).toBe("before");
  });

  test("gives its stream back when it cannot be written", async () => {
    const { etag } = await blob.write("before");
    await blob.write("after");
    let cancelled = false;
    let left = 30;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) =>
        left-- > 0 ? controller.enqueue(patternAt(0, 2 ** 20)) : controller.error(new Error("end")),
      cancel: () => void (cancelled = true),
    });
    const abort = new AbortController();
    const write = blob.write(stream, { ifMatch: etag, signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(write).rejects.toMatchObject({ code: "ABORT_ERR" });
    expect([await blob.text(), cancelled || !stream.locked]).toEqual(["after", true]);
  });

  test("is asked for no more than is read, and left alone when the reader leaves", async () => {
    await blob.write(patterned(20 * 2 ** 20));
    const reads = requests.counts.read;
    const stream = blob.stream();
    await turn();
    expect(requests.counts.read).toBe(reads);
    const reader = stream.getReader();
    const { value } = await reader.read();
    expect(value!.length).toBeLessThan(2 ** 20 + 1);
    await reader.cancel(new Error("enough"));
    expect(await reader.read()).toEqual({ done: true, value: undefined });
    for await (const piece of blob.stream() as AsyncIterable<Uint8Array>) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(requests.counts.read).toBe(reads + 2);
  });

  test("is read no further when its signal aborts", async () => {
    await blob.write(patterned(20 * 2 ** 20));
    const caller = new AbortController();
    const reader = blob.stream({ signal: caller.signal }).getReader();
    await reader.read();
    const cause = new Error("enough");
    caller.abort(cause);
    const rest = async () => {
      while (!(await reader.read()).done);
    };
    await expect(rest()).rejects.toMatchObject({ code: "ABORT_ERR", cause });
    const { signal } = caller;
    for (const late of [blob.bytes({ signal }), blob.write("x", { signal }), blob.write(iterable("x"), { signal })])
      await expect(late).rejects.toMatchObject({ code: "ABORT_ERR", cause });
  });

  test("refuses what makes no sense", async () => {
    const refused: [run: () => unknown, words: string][] = [
      [() => blob.write("x", { ifmatch: "x" } as never), 'option "ifmatch" of write of blob'],
      [() => blob.write("x", { ifMatch: "x", ifAbsent: true }), "both cannot hold"],
      [() => blob.write("x", { ifMatch: "" }), 'Cannot use "" as ifMatch'],
      [() => blob.write("x", { ifAbsent: 1 as never }), "Cannot use 1 as ifAbsent"],
      [() => blob.write(5 as never), 'Cannot write 5 as blob "dir/the blob"'],
      [() => blob.write(null as never), "Cannot write null as blob"],
      [() => blob.write(["x"] as never), "Cannot write an array as blob"],
      [() => blob.bytes({ begin: 5 } as never), 'option "begin" of read of blob'],
      [() => blob.stream({ start: -1 }), "Cannot use -1 as start"],
      [() => blob.stream({ start: 5, end: 4 }), "Cannot use 4 as end"],
      [() => blob.text({ end: 1.5 }), "Cannot use 1.5 as end"],
      [() => blob.info({ ifMatch: "x" } as never), 'option "ifMatch" of blob'],
      [() => blob.delete({ ifAbsent: true } as never), 'option "ifAbsent" of delete of blob'],
    ];
    for (const [run, words] of refused) {
      const error = await (async () => run())().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toContain(words);
    }
    const locked = new Response("x").body!;
    locked.getReader();
    await expect(blob.write(locked)).rejects.toThrow(TypeError);
    expect(await blob.exists()).toBe(false);
  });

  test("travels as a handle", () => {
    expect((blob as StoreBlob & { [handleOf]: unknown })[handleOf]).toEqual({ type: "blob", data: "dir/the blob" });
    expect([blob.key, requests.name.startsWith(name)]).toEqual(["dir/the blob", true]);
  });
});
