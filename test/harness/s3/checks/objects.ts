import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAclCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from "../sdk.ts";
import { type Bench, type Check, get, put, refused } from "./check.ts";

/** Names that clients and servers like to get wrong. */
export const oddNames = [
  "a b",
  "a+b",
  "ü/é/日本",
  "../up",
  "a//b",
  "a/./b",
  "%41",
  "quote'\"",
  "<&>",
  "a;b=c?d#e",
  "(*)!~",
  "trailing/",
];

const head = ({ client, bucket }: Bench, Key: string) => client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
const read = async (bench: Bench, key: string, Range?: string) => (await get(bench, key, { Range })).text;

export const objectChecks: readonly Check[] = [
  {
    name: "an object comes back as it was written, and its ETag is its MD5 in quotes",
    async run(bench) {
      const ETag = `"${createHash("md5").update("hello").digest("hex")}"`;
      assert.equal(await put(bench, bench.prefix, "hello"), ETag);
      const { output: found, text } = await get(bench, bench.prefix);
      assert.equal(text, "hello");
      const { ContentLength, LastModified, ETag: again } = await head(bench, bench.prefix);
      assert.deepEqual([found.ETag, again, found.ContentLength, ContentLength], [ETag, ETag, 5, 5]);
      assert.ok(Math.abs((LastModified?.getTime() ?? 0) - Date.now()) < 60_000);
    },
  },
  {
    name: "an empty object is an object",
    async run(bench) {
      await put(bench, bench.prefix, "");
      assert.equal((await head(bench, bench.prefix)).ContentLength, 0);
      assert.equal(await read(bench, bench.prefix), "");
    },
  },
  {
    name: "the last of two writes is read",
    async run(bench) {
      await put(bench, bench.prefix, "first");
      await put(bench, bench.prefix, "second");
      assert.equal(await read(bench, bench.prefix), "second");
    },
  },
  {
    name: "metadata, type and cache control come back",
    async run({ client, bucket, prefix }) {
      const given = {
        Metadata: { epoch: "7", owner: "a b" },
        ContentType: "application/json",
        CacheControl: "no-store",
      };
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: prefix, Body: "{}", ...given }));
      const { Metadata, ContentType, CacheControl } = await client.send(
        new HeadObjectCommand({ Bucket: bucket, Key: prefix }),
      );
      assert.deepEqual({ Metadata, ContentType, CacheControl }, given);
    },
  },
  {
    name: "an absent key and an absent bucket are told apart",
    async run(bench) {
      await refused(get(bench, bench.prefix), 404, "NoSuchKey");
      await refused(head(bench, bench.prefix), 404, "NotFound");
      await refused(get({ ...bench, bucket: "no-such-bucket-here" }, bench.prefix), 404, "NoSuchBucket");
      await refused(put({ ...bench, bucket: "no-such-bucket-here" }, bench.prefix, "x"), 404, "NoSuchBucket");
    },
  },
  {
    name: "ranges give the bytes they name",
    async run(bench) {
      await put(bench, bench.prefix, "0123456789");
      const ranges = {
        "bytes=2-5": "2345",
        "bytes=7-": "789",
        "bytes=-3": "789",
        "bytes=8-99": "89",
        "bytes=0-0": "0",
        "bytes=-99": "0123456789",
      };
      for (const [range, text] of Object.entries(ranges))
        assert.equal(await read(bench, bench.prefix, range), text, range);
      const { ContentRange, ContentLength, $metadata } = (await get(bench, bench.prefix, { Range: "bytes=2-5" }))
        .output;
      assert.deepEqual([ContentRange, ContentLength, $metadata.httpStatusCode], ["bytes 2-5/10", 4, 206]);
    },
  },
  {
    name: "a range past the end answers 416",
    async run(bench) {
      await put(bench, bench.prefix, "0123456789");
      await refused(get(bench, bench.prefix, { Range: "bytes=10-12" }), 416, "InvalidRange");
    },
  },
  {
    name: "a deleted object is gone, and deleting it again is no error",
    async run(bench) {
      await put(bench, bench.prefix, "first");
      for (let time = 0; time < 2; time++)
        await bench.client.send(new DeleteObjectCommand({ Bucket: bench.bucket, Key: bench.prefix }));
      await refused(get(bench, bench.prefix), 404, "NoSuchKey");
    },
  },
  {
    name: "odd keys name objects of their own",
    async run(bench) {
      for (const name of oddNames) await put(bench, `${bench.prefix}/${name}`, name);
      for (const name of oddNames) assert.equal(await read(bench, `${bench.prefix}/${name}`), name);
    },
  },
  {
    name: "a copy takes content and metadata along, or gets metadata of its own",
    async run(bench) {
      const { client, bucket: Bucket, prefix } = bench;
      await client.send(
        new PutObjectCommand({ Bucket, Key: `${prefix}/a b`, Body: "text", Metadata: { of: "source" } }),
      );
      const CopySource = `${Bucket}/${encodeURIComponent(`${prefix}/a b`)}`;
      const { CopyObjectResult } = await client.send(
        new CopyObjectCommand({ Bucket, Key: `${prefix}/copy`, CopySource }),
      );
      await client.send(
        new CopyObjectCommand({
          Bucket,
          Key: `${prefix}/own`,
          CopySource,
          MetadataDirective: "REPLACE",
          Metadata: { of: "copy" },
        }),
      );
      assert.equal(await read(bench, `${prefix}/copy`), "text");
      const [copy, own] = [await head(bench, `${prefix}/copy`), await head(bench, `${prefix}/own`)];
      assert.deepEqual(
        [copy.Metadata, own.Metadata, copy.ETag],
        [{ of: "source" }, { of: "copy" }, CopyObjectResult?.ETag],
      );
      await refused(
        client.send(new CopyObjectCommand({ Bucket, Key: `${prefix}/none`, CopySource: `${Bucket}/absent` })),
        404,
        "NoSuchKey",
      );
    },
  },
  {
    name: "DeleteObjects removes what it names and reports each key",
    async run(bench) {
      const { client, bucket: Bucket, prefix } = bench;
      const keys = oddNames.map((name) => `${prefix}/${name}`);
      for (const key of [...keys, `${prefix}/stays`]) await put(bench, key, "x");
      const Objects = [...keys, `${prefix}/absent`].map((Key) => ({ Key }));
      const { Deleted, Errors } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      assert.deepEqual(
        Deleted?.map(({ Key }) => Key),
        Objects.map(({ Key }) => Key),
      );
      assert.equal(Errors, undefined);
      for (const key of keys) await refused(get(bench, key), 404, "NoSuchKey");
      assert.equal(await read(bench, `${prefix}/stays`), "x");
    },
  },
  {
    name: "what is not implemented is refused and never taken for the object itself",
    deviations: { moto: "implements access lists and tags" },
    async run(bench) {
      const input = { Bucket: bench.bucket, Key: bench.prefix };
      await put(bench, bench.prefix, "first");
      await refused(bench.client.send(new GetObjectAclCommand(input)), 501, "NotImplemented");
      await refused(
        bench.client.send(new PutObjectTaggingCommand({ ...input, Tagging: { TagSet: [] } })),
        501,
        "NotImplemented",
      );
      assert.equal(await read(bench, bench.prefix), "first");
    },
  },
];
