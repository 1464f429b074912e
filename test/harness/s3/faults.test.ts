import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { activeResources, expectNoResourceLeft } from "../leaks.ts";
import { until } from "../until.ts";
import { clientOf } from "./checks/check.ts";
import type { Fault } from "./faults.ts";
import { GetObjectCommand, getSignedUrl, PutObjectCommand } from "./sdk.ts";
import { type S3Server, startS3 } from "./server.ts";

const before = activeResources();
let server: S3Server;
let client: ReturnType<typeof clientOf>;

const target = { Bucket: "test", Key: "key" };
const put = (text: string, key = "key") =>
  client.send(new PutObjectCommand({ ...target, Key: key, Body: Buffer.from(text) }));
const get = () => client.send(new GetObjectCommand(target));
const read = async () => (await get()).Body?.transformToString();
const stored = async () => (await server.buckets.read("test", "key"))?.toString();

beforeAll(async () => {
  server = await startS3();
  client = clientOf(server);
});

beforeEach(async () => {
  server.faults.clear();
  await put("before");
});

afterAll(async () => {
  client.destroy();
  await server.dispose();
  await expectNoResourceLeft(before);
});

describe("a write that is struck fails, and has or has not been done", () => {
  const cases: [fault: Fault, error: object, left: string][] = [
    [{ kind: "conflict" }, { name: "ConditionalRequestConflict", $metadata: { httpStatusCode: 409 } }, "before"],
    [{ kind: "conditionAfterSuccess" }, { name: "PreconditionFailed", $metadata: { httpStatusCode: 412 } }, "after"],
    [{ kind: "unavailableBefore" }, { name: "SlowDown", $metadata: { httpStatusCode: 503 } }, "before"],
    [{ kind: "unavailableAfter" }, { name: "SlowDown", $metadata: { httpStatusCode: 503 } }, "after"],
    [{ kind: "internalBefore" }, { name: "InternalError", $metadata: { httpStatusCode: 500 } }, "before"],
    [{ kind: "internalAfter" }, { name: "InternalError", $metadata: { httpStatusCode: 500 } }, "after"],
    [{ kind: "lostReply" }, { code: "ECONNRESET" }, "after"],
    [{ kind: "droppedRequest" }, { code: "ECONNRESET" }, "before"],
    [{ kind: "staleClock", offsetMs: 1_200_000 }, { name: "RequestTimeTooSkewed" }, "before"],
    [{ kind: "staleClock", offsetMs: -1_200_000 }, { name: "RequestTimeTooSkewed" }, "before"],
  ];
  test.for(cases)("%o", async ([fault, error, left]) => {
    // A client of its own, since the SDK keeps the clock offset that it learns from a refusal.
    const own = clientOf(server);
    const active = server.faults.add(fault);
    const sent = own.send(new PutObjectCommand({ ...target, Body: "after" }));
    const seen = (await sent.catch((reason: unknown) => reason)) as { $metadata?: { httpStatusCode?: number } };
    own.destroy();
    const picked = { ...(seen as object), $metadata: { httpStatusCode: seen.$metadata?.httpStatusCode } };
    expect({ name: (seen as Error).name, ...picked }).toMatchObject(error);
    expect([active.struck, await stored()]).toEqual([1, left]);
    // Once is the default.
    await put("again");
    expect(await stored()).toBe("again");
  });
});

test("a request that hangs is carried out when it is let go, also if its client has given up", async () => {
  const hang = server.faults.add({ kind: "hang", operation: "PutObject" });
  const abort = new AbortController();
  const sent = client.send(new PutObjectCommand({ ...target, Body: "late" }), { abortSignal: abort.signal });
  await hang.strikes();
  abort.abort();
  await expect(sent).rejects.toMatchObject({ name: "AbortError" });
  expect(await stored()).toBe("before");
  hang.release();
  await until("the late write", async () => (await stored()) === "late");
});

test("a request that hangs is answered when it is let go", async () => {
  const hang = server.faults.add({ kind: "hang" });
  const text = read();
  await hang.strikes();
  hang.release();
  expect(await text).toBe("before");
});

test("a slow body comes piece by piece", async () => {
  server.faults.add({ kind: "slowBody", bytesPerSecond: 50 });
  const { Body, ContentLength } = await get();
  expect(ContentLength).toBe(6);
  const body = Body as AsyncIterable<Buffer>;
  const pieces: string[] = [];
  for await (const piece of body) pieces.push(piece.toString());
  expect(pieces.join("")).toBe("before");
  expect(pieces.length).toBeGreaterThan(1);
});

test("a cut body fails while it is read", async () => {
  server.faults.add({ kind: "cutBody" });
  const { Body, ContentLength } = await get();
  expect(ContentLength).toBe(6);
  await expect(Body?.transformToString()).rejects.toMatchObject({ code: "ECONNRESET" });
});

test("a corrupt body differs by one bit, which the SDK finds by its checksum", async () => {
  server.faults.add({ kind: "corruptBody", times: 2 });
  await expect(read()).rejects.toThrow(/Checksum mismatch/);
  const trusting = clientOf(server, { responseChecksumValidation: "WHEN_REQUIRED" });
  const { Body } = await trusting.send(new GetObjectCommand(target));
  expect(await Body?.transformToString()).toBe("cefore");
  trusting.destroy();
});

test("a clock that is off by little only shows in the Date of the answer", async () => {
  server.faults.add({ kind: "staleClock", offsetMs: -300_000 });
  const { headers, status } = await fetch(await getSignedUrl(client, new GetObjectCommand(target)));
  expect(status).toBe(200);
  expect(Date.parse(headers.get("date") ?? "")).toBeLessThan(Date.now() - 290_000);
});

describe("a fault strikes", () => {
  test("only the operation and the keys it names, and as often as it says", async () => {
    const fault = server.faults.add({ kind: "internalBefore", operation: "PutObject", key: /^lease\//, times: 2 });
    await put("x", "other");
    await expect(put("x", "lease/a")).rejects.toMatchObject({ name: "InternalError" });
    expect(await read()).toBe("before");
    await expect(put("x", "lease/b")).rejects.toMatchObject({ name: "InternalError" });
    await put("x", "lease/a");
    expect(fault.struck).toBe(2);
  });

  test("no more after clear", async () => {
    server.faults.add({ kind: "internalBefore", times: Infinity });
    await expect(put("x")).rejects.toMatchObject({ name: "InternalError" });
    server.faults.clear();
    await put("x");
  });

  test("by chance, in the same way for the same seed", async () => {
    const pattern = async () => {
      await using seeded = await startS3({ seed: 7 });
      const own = clientOf(seeded);
      seeded.faults.add({ kind: "unavailableBefore", times: Infinity, probability: 0.5 });
      const results: boolean[] = [];
      for (let time = 0; time < 20; time++) {
        const sent = own.send(new PutObjectCommand({ ...target, Body: "x" }));
        results.push(await sent.then(() => true).catch(() => false));
      }
      own.destroy();
      expect(seeded.faults.struck("unavailableBefore")).toBe(results.filter((done) => !done).length);
      return results;
    };
    const first = await pattern();
    expect(new Set(first).size).toBe(2);
    expect(await pattern()).toEqual(first);
  });
});

describe("a partition", () => {
  test("resets everyone until it heals", async () => {
    server.partition();
    await expect(read()).rejects.toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) as string });
    server.heal();
    expect(await read()).toBe("before");
  });

  test("cuts off one client only", async () => {
    const credentials = server.credentialsFor("left");
    const left = clientOf({ ...server, credentials });
    server.partition({ client: credentials.accessKeyId });
    await expect(left.send(new GetObjectCommand(target))).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(await read()).toBe("before");
    server.heal();
    const { Body } = await left.send(new GetObjectCommand(target));
    expect(await Body?.transformToString()).toBe("before");
    left.destroy();
  });

  test("that hangs leaves requests without an answer until it heals", async () => {
    server.requests.clear();
    server.partition({ mode: "hang" });
    const text = read();
    server.heal();
    expect(await text).toBe("before");
  });
});
