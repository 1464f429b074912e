import { getEventListeners } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { StoreDataError } from "../../src/errors.ts";
import type { ObjectStream } from "../../src/ports/store.ts";
import { base64Of, received } from "../../src/store/drivers/s3-body.ts";
import { Deadline } from "../../src/store/drivers/deadline.ts";
import { failureOf } from "../../src/store/drivers/s3-errors.ts";
import { S3Requests } from "../../src/store/drivers/s3-requests.ts";
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
  pieces,
  refusing,
  textOf,
} from "./s3-site.ts";

let server: S3Server;
let driver: OpenedDriver;
let before: ReadonlyMap<string, number>;
let etag: string;

const stored = async (key = "a") => String(await server.buckets.read("test", key));

beforeAll(async () => {
  before = activeResources();
  server = await startS3();
  driver = driverOf(server);
});

beforeEach(async () => {
  server.faults.clear();
  etag = ((await driver.put("a", bytes("before"))) as { etag: string }).etag;
  server.requests.clear();
});

afterAll(async () => {
  await driver.close();
  await server.dispose();
  await expectNoResourceLeft(before);
});

describe("a write that meets a fault", () => {
  const cases: [kind: Fault["kind"], maybe: boolean, left: string][] = [
    ["conflict", false, "before"],
    ["unavailableBefore", true, "before"],
    ["unavailableAfter", true, "after"],
    ["internalBefore", true, "before"],
    ["internalAfter", true, "after"],
    ["lostReply", true, "after"],
    ["droppedRequest", true, "before"],
  ];
  describe.each([["put"], ["write"]] as const)("by %s", (method) => {
    const write = (condition?: { ifMatch: string }) =>
      method === "put"
        ? driver.put("a", bytes("after"), { condition })
        : driver.write("a", pieces("af", "ter"), { condition });

    test.each(cases)("%s: may have been done: %s, left: %s", async (kind, maybe, left) => {
      for (const condition of [undefined, { ifMatch: etag }]) {
        await driver.put("a", bytes("before"));
        server.requests.clear();
        server.faults.add({ kind, key: "a" } as Fault);
        expect(await failure(write(condition), server)).toMatchObject({
          transient: true,
          maybe,
          key: "a",
          store: driver.name,
        });
        expect(await stored()).toBe(left);
        // A write is never repeated here.
        expect(server.requests.count("PutObject")).toBe(1);
      }
    });

    test("is lost when the server says so, even if it had done it", async () => {
      server.faults.add({ kind: "conditionAfterSuccess" });
      expect(await write({ ifMatch: etag })).toBe("lost");
      expect(await stored()).toBe("after");
    });

    test("is not done when the clock is wrong, and is done the next time", async () => {
      for (const clockOffsetMs of [1_200_000, -1_200_000]) {
        await using wrong = await startS3({ clockOffsetMs });
        await using own = driverOf(wrong);
        const act = () => (method === "put" ? own.put("a", bytes("x")) : own.write("a", pieces("x")));
        expect(await failure(act(), wrong)).toMatchObject({ transient: true, maybe: false });
        expect(await act()).toMatchObject({ etag: expect.any(String) as string });
      }
    });
  });

  test.each(cases)("removal, %s: may have been done: %s", async (kind, maybe, left) => {
    server.faults.add({ kind, operation: "DeleteObject" } as Fault);
    expect(await failure(driver.remove("a", { ifMatch: etag }), server)).toMatchObject({ transient: true, maybe });
    expect(server.buckets.keys("test").includes("a")).toBe(left === "before");
  });
});

describe("a read that meets a fault fails for a moment", () => {
  const kinds = [
    "unavailableBefore",
    "unavailableAfter",
    "internalAfter",
    "lostReply",
    "droppedRequest",
    "cutBody",
  ] as const;
  test.each(kinds)("%s", async (kind) => {
    const requests = {
      get: () => driver.get("a"),
      read: async () => bytesOf(((await driver.read("a")) as { body: AsyncIterable<Uint8Array> }).body),
      list: () => driver.list(""),
    };
    for (const [name, request] of Object.entries(requests)) {
      server.faults.add({ kind });
      const error = await failure(request(), server);
      expect([name, error.transient, error.maybe]).toEqual([name, true, false]);
      await request();
    }
  });

  test("corruptBody, by its checksum", async () => {
    server.faults.add({ kind: "corruptBody", times: 2 });
    const error = await failure(driver.get("a"), server);
    expect(StoreDataError.is(error)).toBe(true);
    expect(error).toMatchObject({ transient: true, maybe: false });
    const { body } = (await driver.read("a")) as { body: AsyncIterable<Uint8Array> };
    expect(StoreDataError.is(await failure(textOf(body), server))).toBe(true);
    expect(await driver.get("a")).toMatchObject({ etag });
  });

  test("but not a part that comes with the checksum of all of it", async () => {
    const headers = { etag, "content-range": "bytes 2-3/6", "x-amz-checksum-crc32": base64Of(crc32("before")) };
    const part = { status: 206, headers, body: "fo" };
    await using proxy = await between(server, (request) => (request.headers.range ? part : undefined));
    await using own = driverOf(proxy);
    const { body, crc32: sum } = (await own.read("a", { start: 2, end: 4 })) as ObjectStream;
    expect([await textOf(body), sum]).toEqual(["fo", undefined]);
  });

  test("other bytes than those that were asked for", async () => {
    const whole = { status: 200, headers: { etag }, body: "before" };
    await using proxy = await between(server, ({ headers }) => (headers.range ? whole : undefined));
    await using own = driverOf(proxy);
    const error = await failure(own.read("a", { start: 2, end: 4 }), server);
    expect(error).toMatchObject({ transient: false });
    expect(error.message).toContain("other bytes than those that were asked for");
  });
});

describe("the bytes of an answer", () => {
  const incoming = (parts: string[], announced: { length?: number; sum?: number }) => {
    let left = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(...parts);
      } finally {
        left = true;
      }
    }
    const deadline = new Deadline(new FakeClock(), 1_000, undefined, new AbortController().signal);
    const { length, sum: crc } = announced;
    const body = received(
      { source: source(), length, crc32: crc },
      deadline,
      1_000,
      (fault) => new Error(String(fault)),
    );
    return { body, left: () => left };
  };

  test.each([
    [["ab", "cd"], { length: 4 }, "abcd"],
    [["ab", "cd"], {}, "abcd"],
    [["ab", "cd"], { length: 5 }, "short"],
    [["ab", "cd"], { length: 3 }, "short"],
    [["ab", "cd"], { sum: crc32("abcd") }, "abcd"],
    [["ab", "cd"], { sum: crc32("abce") }, "checksum"],
    [[], { length: 0, sum: 0 }, ""],
  ])("%j announced as %j are %s", async (parts, announced, expected) => {
    const { body } = incoming(parts, announced);
    expect(await textOf(body).catch((error: Error) => error.message)).toBe(expected);
  });

  test("are left to nobody when their reader leaves", async () => {
    const { body, left } = incoming(["ab", "cd"], {});
    await body.next();
    await body.return(undefined);
    await turn();
    expect(left()).toBe(true);
  });

  test("end their connection when their reader leaves", async () => {
    await driver.put("large", patternAt(0, 5_000_000));
    const sockets = () => activeResources().get("TCPSocketWrap") ?? 0;
    await using own = driverOf(server);
    await own.get("a");
    const one = sockets();
    const { body } = (await own.read("large")) as { body: AsyncIterable<Uint8Array> };
    for await (const piece of body) if (piece.length > 0) break;
    // An idle connection counts at the server's end only.
    await until("the connection to be closed", () => sockets() < one);
  });
});

test("what is needed for the first request is looked for again when it was not there", async () => {
  const found = ["nothing", "everything"];
  const place = { name: "s3://b", bucket: "b" };
  const load = async () => {
    const next = found.shift()!;
    if (next === "nothing") throw new Error("not there");
    return next;
  };
  const requests = new S3Requests({ place, clock: new FakeClock(), requestTimeoutMs: 1_000, load });
  const asked = { action: "read", key: "a", permission: "", writes: false } as const;
  const act = () => requests.act(asked, {}, async (loaded) => ({ loaded }));
  await expect(act()).rejects.toThrow("not there");
  expect(await act()).toEqual({ loaded: "everything" });
  expect(await act()).toEqual({ loaded: "everything" });
});

describe("the time of a request", () => {
  const limit = 10_000;

  async function struck(act: (own: OpenedDriver) => Promise<unknown>) {
    const clock = new FakeClock();
    await using own = driverOf(server, { clock });
    const hang = server.faults.add({ kind: "hang" });
    const failed = failure(act(own), server);
    await hang.strikes();
    clock.advance(limit - 1);
    await turn();
    expect(clock.pending()).toBe(1);
    clock.advance(2);
    const error = await failed;
    expect(clock.pending()).toBe(0);
    hang.release();
    return error;
  }

  test("ends each of them", async () => {
    const requests: [maybe: boolean, act: (own: OpenedDriver) => Promise<unknown>][] = [
      [false, (own) => own.get("a")],
      [false, (own) => own.read("a")],
      [false, (own) => own.read("a", { start: 1, end: 1 })],
      [false, (own) => own.list("")],
      [true, (own) => own.remove("a")],
      [true, (own) => own.put("a", bytes(""))],
      [true, (own) => own.write("a", pieces(""))],
    ];
    for (const [maybe, act] of requests) {
      const error = await struck(act);
      expect(error).toMatchObject({ transient: true, maybe });
      expect(error.message).toContain("did not answer within 10 s");
    }
  });

  test("is longer for a body", async () => {
    const clock = new FakeClock();
    await using own = driverOf(server, { clock });
    const hang = server.faults.add({ kind: "hang" });
    const put = own.put("a", new Uint8Array(1024 * 1024));
    await hang.strikes();
    clock.advance(limit + 3_900);
    await turn();
    hang.release();
    expect(await put).toMatchObject({ etag: expect.any(String) as string });
  });

  test("ends a body that comes too slowly, as a whole for get", async () => {
    const clock = new FakeClock();
    await using own = driverOf(server, { clock });
    const slow = server.faults.add({ kind: "slowBody", bytesPerSecond: 1 });
    const failed = failure(own.get("a"), server);
    await slow.strikes();
    // Its headers are there when the clock is asked for another time.
    while (clock.nextAt === limit + 1_000) await turn();
    clock.advance(limit + 1);
    expect(await failed).toMatchObject({ transient: true });
  });

  test("ends a body that stalls, but not one whose reader takes its time", async () => {
    await driver.put("large", patternAt(0, 2_000_000));
    const clock = new FakeClock();
    await using own = driverOf(server, { clock });
    const { body } = (await own.read("large")) as { body: AsyncIterable<Uint8Array> };
    let length = 0;
    for await (const piece of body) {
      length += piece.length;
      clock.advance(10 * limit);
    }
    expect(length).toBe(2_000_000);

    server.faults.add({ kind: "slowBody", bytesPerSecond: 1 });
    const slow = (await own.read("a")) as { body: AsyncIterable<Uint8Array> };
    const iterator = slow.body[Symbol.asyncIterator]();
    await iterator.next();
    const stalled = failure(iterator.next(), server);
    clock.advance(limit + 1);
    expect(await stalled).toMatchObject({ transient: true, maybe: false });
  });

  test("ends a body that nobody reads", async () => {
    const clock = new FakeClock();
    await using own = driverOf(server, { clock });
    await driver.put("large", patternAt(0, 2_000_000));
    const { body } = (await own.read("large")) as { body: AsyncIterable<Uint8Array> };
    clock.advance(limit + 1);
    expect(await failure(textOf(body), server)).toMatchObject({ transient: true });
  });

  const reason = new Error("enough");
  test.each([
    ["a read, with what he says", (own: OpenedDriver, signal: AbortSignal) => own.get("a", { signal }), reason],
    [
      "a write, and says that it may be done",
      (own: OpenedDriver, signal: AbortSignal) => own.put("a", bytes("late"), { signal }),
      expect.objectContaining({ maybe: true, transient: false, cause: reason }) as unknown,
    ],
  ])("is over when the caller gives up %s", async (_name, act, expected) => {
    const caller = new AbortController();
    const hang = server.faults.add({ kind: "hang" });
    const failed = act(driver, caller.signal).catch((error: unknown) => error);
    await hang.strikes();
    caller.abort(reason);
    expect(await failed).toEqual(expected);
    hang.release();
  });

  test("leaves nothing at the caller's signal", async () => {
    const { signal } = new AbortController();
    await driver.put("a", bytes("x"), { signal });
    await driver.get("a", { signal });
    const { body } = (await driver.read("a", { signal })) as { body: AsyncIterable<Uint8Array> };
    await textOf(body);
    await driver.list("", { signal });
    await driver.remove("a", { signal });
    await driver.write("a", pieces("x"), { signal });
    await using other = driverOf(server, { bucket: "other" });
    await failure(other.get("a", { signal }), server);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("is over when the driver is closed", async () => {
    const own = driverOf(server);
    const hang = server.faults.add({ kind: "hang", times: 2 });
    const read = failure(own.get("a"), server);
    const write = failure(own.put("a", bytes("x")), server);
    await hang.strikes(2);
    await own.close();
    expect(await read).toMatchObject({ transient: false, maybe: false });
    expect(await write).toMatchObject({ transient: false, maybe: true });
    expect((await failure(own.get("a"), server)).message).toContain("closed");
    hang.release();
  });
});

describe("a server that cannot be reached has done nothing", () => {
  test("because nobody listens", async () => {
    const http = createServer();
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const { port } = http.address() as AddressInfo;
    await new Promise((resolve) => http.close(resolve));
    for (const host of ["127.0.0.1", "localhost"]) {
      await using own = driverOf({ ...server, endpoint: `http://${host}:${port}` });
      const error = await failure(own.put("a", bytes("x")), server);
      expect(error).toMatchObject({ transient: true, maybe: false });
      expect(error.message).toContain("ECONNREFUSED");
    }
  });

  test("because its name is not known", async () => {
    await using own = driverOf({ ...server, endpoint: "http://nowhere.invalid" });
    expect(await failure(own.put("a", bytes("x")), server)).toMatchObject({ transient: true, maybe: false });
  });

  test("and one that cuts everyone off may have", async () => {
    await driver.get("a");
    server.partition();
    const error = await failure(driver.put("a", bytes("x")), server);
    expect(error).toMatchObject({ transient: true });
    server.heal();
    await driver.put("a", bytes("y"));
  });
});

describe("what will not pass", () => {
  const act = {
    read: (own: OpenedDriver) => own.get("a"),
    write: (own: OpenedDriver) => own.put("a", bytes("x"), { condition: { ifMatch: etag } }),
    remove: (own: OpenedDriver) => own.remove("a", { ifMatch: etag }),
    list: (own: OpenedDriver) => own.list(""),
  };
  const actions = Object.entries(act);

  test("a bucket that is not there is named, and is not taken for an object that is not there", async () => {
    await using own = driverOf(server, { bucket: "other" });
    for (const [, request] of actions) {
      const error = await failure(request(own), server);
      expect(error).toMatchObject({ transient: false, maybe: false });
      expect(error.message).toContain('there is no bucket "other"');
    }
  });

  test("wrong credentials", async () => {
    const { credentials } = server;
    const secretAccessKey = "another-secret";
    const session = server.credentialsFor("session", { session: true });
    const cases = [
      [{ ...credentials, secretAccessKey }, "SignatureDoesNotMatch"],
      [{ ...credentials, accessKeyId: "AKIA-nobody" }, "InvalidAccessKeyId"],
      [{ ...session, sessionToken: "another-token" }, "InvalidToken"],
      [server.credentialsFor("old", { session: true, expiresInMs: -1 }), "ExpiredToken"],
    ] as const;
    for (const [wrong, code] of cases) {
      const { expiration: _, ...rest } = wrong as typeof session;
      await using own = driverOf({ ...server, credentials: rest });
      for (const [, request] of actions) {
        const error = await failure(request(own), { credentials: rest });
        expect(error).toMatchObject({ transient: false, maybe: false });
        expect(error.message).toContain(code);
      }
    }
  });

  test("temporary credentials are sent with their token, and got anew from a function", async () => {
    const session = server.credentialsFor("session", { session: true });
    await using own = driverOf(server, { credentials: () => Promise.resolve(session) });
    expect(await own.get("a")).toMatchObject({ etag });
  });

  test("a permission that lacks is named, and nothing that the server repeats", async () => {
    const secrets = `<AWSAccessKeyId>${server.credentials.accessKeyId}</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256</StringToSign>`;
    await using proxy = await between(server, () => refusing(403, "AccessDenied", secrets));
    await using own = driverOf(proxy);
    const permissions = {
      read: "s3:GetObject",
      write: "s3:PutObject",
      remove: "s3:DeleteObject",
      list: "s3:ListBucket",
    };
    for (const [name, request] of actions) {
      const error = await failure(request(own), server);
      expect(error).toMatchObject({ transient: false, maybe: false, status: 403 });
      expect(error.message).toContain(permissions[name as keyof typeof permissions]);
    }
  });

  test.each([
    [429, "TooManyRequests", true, true],
    [502, "BadGateway", true, true],
    [504, "&lt;script&gt;", true, true],
    [409, "OperationAborted", true, false],
    [400, "RequestTimeout", true, false],
    [400, "BadDigest", true, false],
    [400, "InvalidArgument", false, false],
    [400, "constructor", false, false],
    [405, "MethodNotAllowed", false, false],
    [501, "NotImplemented", false, false],
    [301, "PermanentRedirect", false, false],
    [307, "TemporaryRedirect", false, false],
    [404, "NoSuchSomething", false, false],
  ])("%i %s: passes: %s, may have been done: %s", async (status, code, transient, maybe) => {
    await using proxy = await between(server, () => refusing(status, code));
    await using own = driverOf(proxy);
    const error = await failure(own.put("a", bytes("x"), { condition: { ifMatch: etag } }), server);
    expect(error).toMatchObject({ transient, maybe, status });
    expect(error.message).not.toContain("script");
  });

  test("an answer that is not of S3", async () => {
    await using proxy = await between(server, () => ({ status: 200, body: "<html>welcome</html>" }));
    await using own = driverOf(proxy);
    expect(await failure(own.put("a", bytes("x")), server)).toMatchObject({ transient: false, maybe: true });
    const requests = [
      () => own.list(""),
      () => own.get("a"),
      () => own.read("a"),
      () => own.read("a", { start: 1, end: 1 }),
    ];
    for (const request of requests)
      expect(await failure(request(), server)).toMatchObject({ transient: false, maybe: false });
  });

  test("a certificate that nobody has signed", async () => {
    const error = Object.assign(new Error("self-signed certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    const asked = { action: "write", key: "a", permission: "", writes: true } as const;
    expect(failureOf(error, asked, { name: "s3://b", bucket: "b" })).toMatchObject({ transient: false, maybe: false });
  });

  test.each([502, 503, 504])("a %i of something in between that does not speak S3 passes", async (status) => {
    await using proxy = await between(server, () => ({ status, body: "<html><h1>oh no</h1></html>" }));
    await using own = driverOf(proxy);
    expect(await failure(own.put("a", bytes("x")), server)).toMatchObject({ transient: true, maybe: true, status });
    expect(await failure(own.get("a"), server)).toMatchObject({ transient: true, maybe: false, status });
  });

  test("an answer that came broken is chance, but not always", async () => {
    const cut = '<?xml version="1.0"?>\n<Error><Code>NoSuch';
    for (const status of [200, 404, 409]) {
      let broken = 1;
      await using proxy = await between(server, () => (broken-- > 0 ? { status, body: cut } : undefined));
      await using own = driverOf(proxy);
      const error = await failure(own.list(""), server);
      expect(error).toMatchObject({ transient: true, maybe: false });
      expect(error.message).toContain("cannot be read");
      // What can be understood ends the count.
      expect(await own.get("nothing")).toBeUndefined();
      broken = 4;
      const told = [];
      for (let i = 0; i < 4; i++) told.push((await failure(own.list(""), server)).transient);
      expect(told).toEqual([true, true, true, false]);
      expect(await own.get("nothing")).toBeUndefined();
      if (status === 200) continue;
      broken = 2;
      expect(await failure(own.get("nothing"), server)).toMatchObject({ transient: true, maybe: false });
      expect(await failure(own.put("a", bytes("x")), server)).toMatchObject({ transient: true, maybe: true });
    }
  });

  test("a refusal whose reason came broken is a refusal, and no puzzle", async () => {
    let status = 412;
    await using proxy = await between(server, () => ({ status, body: "<Error><Code>Precond" }));
    await using own = driverOf(proxy);
    const lost = (): Promise<unknown> => own.put("a", bytes("x"), { condition: { ifMatch: etag } });
    for (let i = 0; i < 4; i++) expect(await lost()).toBe("lost");
    status = 404;
    expect(await failure(own.get("a"), server)).toMatchObject({ transient: true });
  });

  test("a clock that stays wrong", async () => {
    const error = Object.assign(new Error("no"), { name: "RequestTimeTooSkewed", $metadata: { httpStatusCode: 403 } });
    const asked = { action: "write", key: "a", permission: "", writes: true } as const;
    const place = { name: "s3://b", bucket: "b" };
    expect([0, 1, 2, 3].map((times) => failureOf(error, asked, place, times).transient)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});
