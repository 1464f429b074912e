import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { base64Of } from "../../src/store/drivers/s3-body.ts";
import { PartBuffer, partSize } from "../../src/store/drivers/s3-parts.ts";
import { upload } from "../../src/store/drivers/s3-upload.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { activeResources, expectNoResourceLeft } from "../harness/leaks.ts";
import type { Fault } from "../harness/s3/faults.ts";
import { type S3Server, startS3 } from "../harness/s3/server.ts";
import { until } from "../harness/until.ts";
import {
  between,
  bytes,
  bytesOf,
  driverOf,
  failure,
  type OpenedDriver,
  patternAt,
  patterned,
  refusing,
} from "./s3-site.ts";

const MiB = 2 ** 20;
/** The least that S3 takes. */
const partBytes = 5 * MiB;
const size = 4 * partBytes + 12_345;

let server: S3Server;
let driver: OpenedDriver;
let before: ReadonlyMap<string, number>;

beforeAll(async () => {
  before = activeResources();
  server = await startS3();
  driver = driverOf(server, { partBytes });
});

beforeEach(async () => {
  server.faults.clear();
  await driver.remove("a");
  server.requests.clear();
});

afterAll(async () => {
  await driver.close();
  await server.dispose();
  await expectNoResourceLeft(before);
});

const count = (operation: Parameters<S3Server["requests"]["count"]>[0]) => server.requests.count(operation);

/** Nothing of a write is left but what was there before. */
async function expectNothingLeft(of: S3Server = server): Promise<void> {
  expect(of.parts()).toEqual([]);
  expect(of.buckets.keys("test")).toEqual([]);
}

describe("a large body", () => {
  test("is sent in parts, and is what was written", async () => {
    const outcome = await driver.write("a", patterned(size));
    expect(count("UploadPart")).toBe(5);
    expect(server.parts()).toEqual([]);
    const { body, ...rest } = (await driver.read("a")) as { body: AsyncIterable<Uint8Array> };
    expect(rest).toEqual({ ...(outcome as object), size, crc32: crc32(patternAt(0, size)) });
    expect((await bytesOf(body)).equals(patternAt(0, size))).toBe(true);
  });

  test.each([
    [0, 0],
    [1, 0],
    [partBytes - 1, 0],
    [partBytes, 1],
    [partBytes + 1, 2],
    [2 * partBytes, 2],
  ])("of %i bytes has %i parts", async (length, parts) => {
    await driver.write("a", patterned(length));
    expect(count("UploadPart")).toBe(parts);
    expect(count("PutObject")).toBe(parts === 0 ? 1 : 0);
    expect((await server.buckets.read("test", "a"))!.equals(patternAt(0, length))).toBe(true);
  });

  test("has no more than four parts in memory, and asks for the next when one is done", async () => {
    const hang = server.faults.add({ kind: "hang", operation: "UploadPart", times: Infinity });
    let taken = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of patterned(8 * partBytes, MiB)) {
        taken += piece.length;
        yield piece;
      }
    }
    const write = driver.write("a", counted());
    await hang.strikes(4);
    for (let times = 0; times < 50; times++) await turn();
    expect(hang.struck).toBe(4);
    expect(taken).toBe(4 * partBytes);
    hang.release();
    await write;
    expect(taken).toBe(8 * partBytes);
  });

  test("is compared with the checksum of all of it", async () => {
    server.requests.clear();
    await driver.write("a", patterned(size));
    server.faults.add({ kind: "corruptBody", operation: "GetObject" });
    const { body } = (await driver.read("a")) as { body: AsyncIterable<Uint8Array> };
    expect((await failure(bytesOf(body), server)).code).toBe("ERR_TINDERBOX_STORE_DATA");
  });

  test("is written under a condition that is judged at its end", async () => {
    async function* overtaken(by: string): AsyncGenerator<Uint8Array> {
      yield* patterned(size);
      await driver.put("a", bytes(by));
    }
    expect(await driver.write("a", overtaken("one"), { condition: "absent" })).toBe("lost");
    const { etag } = (await driver.read("a")) as { etag: string };
    expect(await driver.write("a", overtaken("two"), { condition: { ifMatch: etag } })).toBe("lost");
    expect(String(await server.buckets.read("test", "a"))).toBe("two");
    await driver.remove("a");
    expect(await driver.write("a", patterned(size), { condition: { ifMatch: etag } })).toBe("lost");
    await expectNothingLeft();
  });
});

describe("an upload of which a part fails", () => {
  const passing: Fault["kind"][] = ["unavailableBefore", "internalAfter", "lostReply", "droppedRequest"];
  test.each(passing)("goes on when it passes: %s", async (kind) => {
    server.faults.add({ kind, operation: "UploadPart", times: 3 } as Fault);
    await driver.write("a", patterned(size));
    expect(count("UploadPart")).toBe(8);
    expect((await server.buckets.read("test", "a"))!.equals(patternAt(0, size))).toBe(true);
  });

  test.each(passing)("leaves nothing when it does not: %s", async (kind) => {
    server.faults.add({ kind, operation: "UploadPart", times: Infinity } as Fault);
    const error = await failure(driver.write("a", patterned(size)), server);
    // Nothing of it can be seen.
    expect(error).toMatchObject({ transient: true, maybe: false });
    await expectNothingLeft();
  });

  test("is begun again when it could not be begun", async () => {
    server.faults.add({ kind: "unavailableBefore", operation: "CreateMultipartUpload", times: 2 });
    await driver.write("a", patterned(size));
    expect(count("CreateMultipartUpload")).toBe(3);
  });

  test("is cleared away, however often that fails for a moment", async () => {
    server.faults.add({ kind: "unavailableBefore", operation: "AbortMultipartUpload", times: 3 });
    server.faults.add({ kind: "unavailableBefore", operation: "CompleteMultipartUpload" });
    await failure(driver.write("a", patterned(size)), server);
    expect(count("AbortMultipartUpload")).toBe(4);
    await expectNothingLeft();
  });

  test("hears of a source that throws what it threw, and leaves nothing", async () => {
    const reason = new Error("the disk is gone");
    for (const after of [0, 1, partBytes, 2 * partBytes + 1, size]) {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield* patterned(after);
        throw reason;
      }
      await expect(driver.write("a", broken())).rejects.toBe(reason);
      await expectNothingLeft();
    }
  });

  test("lets its source go", async () => {
    server.faults.add({ kind: "unavailableBefore", operation: "UploadPart", times: Infinity });
    let left = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield patternAt(0, MiB);
      } finally {
        left = true;
      }
    }
    await failure(driver.write("a", endless()), server);
    expect(left).toBe(true);
    await expectNothingLeft();
  });

  test("does not wait for a source that keeps silent", async () => {
    server.faults.add({ kind: "unavailableBefore", operation: "UploadPart", times: Infinity });
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield* patterned(partBytes + 1);
      await new Promise(() => undefined);
    }
    expect(await failure(driver.write("a", silent()), server)).toMatchObject({ transient: true });
    await expectNothingLeft();
  });

  test("ends with its signal, and leaves nothing", async () => {
    const caller = new AbortController();
    const hang = server.faults.add({ kind: "hang", operation: "UploadPart", times: 4 });
    const write = driver.write("a", patterned(size), { signal: caller.signal });
    const reason = new Error("enough");
    await hang.strikes(4);
    caller.abort(reason);
    await expect(write).rejects.toBe(reason);
    hang.release();
    await until("the parts to be refused", () => server.parts().length === 0);
    await expectNothingLeft();
  });

  test("is cleared away before the driver is closed", async () => {
    const own = driverOf(server, { partBytes });
    const hang = server.faults.add({ kind: "hang", operation: "UploadPart", times: 4 });
    const write = failure(own.write("a", patterned(size)), server);
    await hang.strikes(4);
    await own.close();
    expect(server.parts()).toEqual([]);
    expect(await write).toMatchObject({ maybe: false, transient: false });
    hang.release();
    await expectNothingLeft();
  });
});

test("an upload is aborted when none of its parts is under way any more", async () => {
  const done: string[] = [];
  const fail = (): Promise<never> => Promise.reject(new Error("not asked for"));
  const outcome = upload(
    patterned(3 * partBytes),
    {
      put: fail,
      create: () => Promise.resolve("id"),
      async part(_id, number, _body, signal) {
        if (number === 3) throw new Error("the third one fails");
        // Somewhere on its way, until after it was ended.
        if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        for (let turns = 0; turns < 5; turns++) await turn();
        done.push(`part ${number}`);
        throw signal.reason as Error;
      },
      complete: fail,
      abort: async () => void done.push("abort"),
      tooLarge: () => new Error("not asked for"),
    },
    { partBytes, clock: systemClock, signals: [] },
  );
  await expect(outcome).rejects.toThrow("the third one fails");
  expect(done).toEqual(["part 1", "part 2", "abort"]);
});

test("each request says the checksum of what it sends, and takes no detour", async () => {
  const sums: string[] = [];
  const expected = (start: number, length: number) => base64Of(crc32(patternAt(start, length)));
  await using proxy = await between(server, ({ headers }) => {
    if (headers["x-amz-checksum-crc32"]) sums.push(String(headers["x-amz-checksum-crc32"]));
    return headers.expect ? refusing(400, "InvalidArgument") : undefined;
  });
  await using own = driverOf(proxy, { partBytes });
  await own.put("a", patternAt(0, 100));
  await own.write("a", patterned(partBytes - 1));
  await own.write("a", patterned(partBytes + 5));
  const [small, large, ...rest] = sums;
  expect([small, large]).toEqual([expected(0, 100), expected(0, partBytes - 1)]);
  expect(rest.toSorted()).toEqual(
    [expected(0, partBytes), expected(partBytes, 5), expected(0, partBytes + 5)].toSorted(),
  );
  expect(rest.at(-1)).toBe(expected(0, partBytes + 5));
});

describe("the end of an upload", () => {
  const cases: [kind: Fault["kind"], maybe: boolean, done: boolean][] = [
    ["conflict", false, false],
    ["unavailableBefore", true, false],
    ["internalAfter", true, true],
    ["lostReply", true, true],
    ["droppedRequest", true, false],
  ];
  test.each(cases)("is not known after %s: %s", async (kind, maybe, done) => {
    server.faults.add({ kind, operation: "CompleteMultipartUpload" } as Fault);
    expect(await failure(driver.write("a", patterned(size)), server)).toMatchObject({ transient: true, maybe });
    expect(count("CompleteMultipartUpload")).toBe(1);
    expect(server.parts()).toEqual([]);
    expect(server.buckets.keys("test")).toEqual(done ? ["a"] : []);
  });

  test("is not known when it hangs, and does not come later", async () => {
    const clock = new FakeClock();
    await using own = driverOf(server, { partBytes, clock });
    const hang = server.faults.add({ kind: "hang", operation: "CompleteMultipartUpload" });
    const write = failure(own.write("a", patterned(size)), server);
    await hang.strikes();
    // It may take longer than others: the server puts all parts together.
    clock.advance(29_000);
    await turn();
    clock.advance(2_000);
    const error = await write;
    expect(error).toMatchObject({ transient: true, maybe: true });
    expect(error.message).toContain("did not answer within 30.3 s");
    hang.release();
    await expectNothingLeft();
  });

  test("may be an error although it is called a success", async () => {
    const { body } = refusing(200, "InternalError");
    await using proxy = await between(server, ({ method, url }) =>
      method === "POST" && url?.includes("uploadId") ? { status: 200, body: body! } : undefined,
    );
    await using own = driverOf(proxy, { partBytes });
    expect(await failure(own.write("a", patterned(size)), server)).toMatchObject({ transient: true, maybe: true });
    await expectNothingLeft();
  });
});

describe("a server that has no checksum of a whole upload", () => {
  test.each([
    [501, "NotImplemented"],
    [400, "InvalidArgument"],
  ])("and says %i %s gets parts that are checked one by one", async (status, code) => {
    let refused = 0;
    const sums: (string | undefined)[] = [];
    await using proxy = await between(server, ({ url, headers }) => {
      if (url?.includes("partNumber")) sums.push(headers["content-md5"] as string | undefined);
      if (headers["x-amz-checksum-type"] === undefined) return undefined;
      refused++;
      return refusing(status, code);
    });
    await using own = driverOf(proxy, { partBytes });
    for (let times = 0; times < 2; times++) await own.write("a", patterned(size));
    expect((await server.buckets.read("test", "a"))!.equals(patternAt(0, size))).toBe(true);
    expect(sums).toEqual(Array.from({ length: 10 }, () => expect.stringMatching(/^[\w+/]{22}==$/) as string));
    // It is asked once.
    expect(refused).toBe(1);
  });

  test("and refuses for another reason is believed", async () => {
    await using proxy = await between(server, ({ url }) =>
      url?.includes("uploads") ? refusing(403, "AccessDenied") : undefined,
    );
    await using own = driverOf(proxy, { partBytes });
    expect(await failure(own.write("a", patterned(size)), server)).toMatchObject({ transient: false, maybe: false });
    await expectNothingLeft();
  });
});

describe("parts", () => {
  const all = (first: number) => Array.from({ length: 10_000 }, (_, index) => partSize(index + 1, first));

  test("hold 5 TiB, and are small as long as the object is", () => {
    const sizes = all(8 * MiB);
    expect(sizes.reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(5 * 2 ** 40);
    expect(Math.max(...sizes)).toBeLessThan(2 ** 31);
    expect(sizes.every((each, index) => index === 0 || each >= sizes[index - 1]!)).toBe(true);
    expect(sizes[999]).toBe(8 * MiB);
    expect(sizes[2_999]).toBe(32 * MiB);
  });

  test("are filled to their limit, and can be filled again", () => {
    const part = new PartBuffer().reset(100_000);
    expect([part.take(patternAt(0, 70_000)), part.full]).toEqual([70_000, false]);
    expect([part.take(patternAt(70_000, 70_000)), part.full]).toEqual([30_000, true]);
    expect(Buffer.from(part.bytes).equals(patternAt(0, 100_000))).toBe(true);
    part.reset(150_000);
    expect([part.length, part.take(patternAt(5, 200_000)), part.full]).toEqual([0, 150_000, true]);
    expect(Buffer.from(part.bytes).equals(patternAt(5, 150_000))).toBe(true);
  });
});
