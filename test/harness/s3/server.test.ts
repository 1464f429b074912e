import { readdirSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { testRun } from "../run.ts";
import { until } from "../until.ts";
import { clientOf } from "./checks/check.ts";
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "./sdk.ts";
import { startS3 } from "./server.ts";
import { spawnS3 } from "./spawn.ts";

const target = { Bucket: "test", Key: "a key" };
const put = new PutObjectCommand({ ...target, Body: "text" });
const get = new GetObjectCommand(target);
const ownFolders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("s3-"));

test("requests are logged with operation, key, caller and answer", async () => {
  await using server = await startS3();
  const client = clientOf(server);
  await expect(client.send(get)).rejects.toMatchObject({ name: "NoSuchKey" });
  await client.send(put);
  client.destroy();
  const entry = { bucket: "test", key: "a key", accessKeyId: server.credentials.accessKeyId };
  expect(server.requests.log).toEqual([
    { operation: "GetObject", ...entry, status: 404 },
    { operation: "PutObject", ...entry, status: 200 },
  ]);
  expect([server.requests.count(), server.requests.count("PutObject")]).toEqual([2, 1]);
  server.requests.clear();
  expect(server.requests.count()).toBe(0);
});

test("what is stored can be looked at without a request", async () => {
  await using server = await startS3({ buckets: ["test", "more"] });
  const client = clientOf(server);
  const { ETag } = await client.send(put);
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: "more", Key: "upload" }));
  await client.send(new UploadPartCommand({ Bucket: "more", Key: "upload", UploadId, PartNumber: 2, Body: "part" }));
  client.destroy();
  expect(server.buckets.names()).toEqual(["test", "more"]);
  expect(server.buckets.keys("test")).toEqual(["a key"]);
  expect(`"${server.buckets.etag("test", "a key")}"`).toBe(ETag);
  expect((await server.buckets.read("test", "a key"))?.toString()).toBe("text");
  expect(server.parts()).toEqual([{ bucket: "more", key: "upload", uploadId: UploadId, numbers: [2] }]);
});

test("a bucket is also found by its host name", async () => {
  await using server = await startS3();
  // Not every system resolves names below localhost.
  const httpAgent = new Agent({ lookup: (_host, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]) });
  const client = clientOf(
    { ...server, endpoint: server.virtualEndpoint },
    { forcePathStyle: false, requestHandler: { httpAgent } },
  );
  await client.send(put);
  expect(server.buckets.keys("test")).toEqual(["a key"]);
  const { Body } = await client.send(get);
  expect(await Body?.transformToString()).toBe("text");
  client.destroy();
});

describe("temporary credentials", () => {
  test("work with their token and not without it", async () => {
    await using server = await startS3();
    const credentials = server.credentialsFor("runner", { session: true });
    const client = clientOf({ ...server, credentials });
    await client.send(put);
    const { sessionToken: _, ...bare } = credentials;
    const wrong = clientOf({ ...server, credentials: { ...bare, sessionToken: "other" } });
    const none = clientOf({ ...server, credentials: bare });
    await expect(wrong.send(put)).rejects.toMatchObject({ name: "InvalidToken" });
    await expect(none.send(put)).rejects.toMatchObject({ name: "InvalidAccessKeyId" });
    for (const one of [client, wrong, none]) one.destroy();
  });

  test("are refused when they have expired", async () => {
    await using server = await startS3();
    const { expiration, ...credentials } = server.credentialsFor("runner", { session: true, expiresInMs: -1 });
    expect(expiration).toBeInstanceOf(Date);
    const client = clientOf({ ...server, credentials });
    await expect(client.send(put)).rejects.toMatchObject({ name: "ExpiredToken" });
    client.destroy();
  });
});

test("a server whose clock is off refuses a client that does not correct its own", async () => {
  await using server = await startS3({ clockOffsetMs: 3_600_000 });
  const client = clientOf(server);
  await expect(client.send(put)).rejects.toMatchObject({ name: "RequestTimeTooSkewed" });
  // The SDK has learnt the difference from the answer.
  await client.send(put);
  client.destroy();
});

test("a server that closes ends what is delayed, and leaves no file", async () => {
  const server = await startS3({ latencyMs: { write: 3_600_000 }, spillBytes: 10 });
  const client = clientOf(server);
  const sent = client.send(new PutObjectCommand({ ...target, Body: "x".repeat(100) })).catch((error: unknown) => error);
  await until("the request", () => server.requests.count() === 1);
  expect(ownFolders()).toHaveLength(1);
  await server.dispose();
  await server.dispose();
  expect(await sent).toMatchObject({ code: "ECONNRESET" });
  expect(ownFolders()).toEqual([]);
  client.destroy();
});

test("large bodies go to files, which go with their objects", async () => {
  await using server = await startS3({ spillBytes: 1000 });
  const client = clientOf(server);
  const files = () => ownFolders().flatMap((name) => readdirSync(`${testRun.folder}/${name}`));
  await client.send(new PutObjectCommand({ ...target, Body: "x".repeat(5000) }));
  expect(files()).toHaveLength(1);
  const { Body } = await client.send(new GetObjectCommand({ ...target, Range: "bytes=4990-" }));
  expect(await Body?.transformToString()).toBe("x".repeat(10));
  await client.send(put);
  expect(files()).toEqual([]);
  client.destroy();
});

describe("a server in a process of its own", () => {
  test("has the same controls", async () => {
    await using server = await spawnS3({ buckets: ["test"] });
    const client = clientOf(server);
    const fault = await server.addFault({ kind: "conditionAfterSuccess", key: /key$/ });
    await expect(client.send(put)).rejects.toMatchObject({ name: "PreconditionFailed" });
    expect(await server.struckBy(fault)).toBe(1);
    expect(await server.keys("test")).toEqual(["a key"]);
    expect((await server.requests()).map(({ operation, status }) => ({ operation, status }))).toEqual([
      { operation: "PutObject", status: 412 },
    ]);
    await server.partition();
    await expect(client.send(new ListBucketsCommand({}))).rejects.toMatchObject({ code: "ECONNRESET" });
    await server.heal();
    await client.send(new ListBucketsCommand({}));
    client.destroy();
  });

  test("can be stopped, continued and killed", async () => {
    await using server = await spawnS3();
    const client = clientOf(server);
    server.kill("SIGSTOP");
    const sent = client.send(put);
    server.kill("SIGCONT");
    await sent;
    server.kill("SIGKILL");
    await until("the end of the server", () => server.child.signalCode === "SIGKILL");
    await expect(client.send(put)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await expect(server.keys("test")).rejects.toThrow("the process has ended");
    client.destroy();
  });

  test("takes a body of any size in little memory", { timeout: 60_000 }, async () => {
    await using server = await spawnS3();
    const client = clientOf(server);
    const piece = Buffer.alloc(2 ** 20, "x");
    const Body = Readable.from(
      Array.from({ length: 256 }, () => piece),
      { objectMode: false },
    );
    const before = await server.memory();
    await client.send(new PutObjectCommand({ ...target, Body, ContentLength: 256 * piece.length }));
    const { ContentLength } = await client.send(new HeadObjectCommand(target));
    expect(ContentLength).toBe(256 * piece.length);
    expect(((await server.memory()) - before) / 2 ** 20).toBeLessThan(100);
    client.destroy();
  });
});
