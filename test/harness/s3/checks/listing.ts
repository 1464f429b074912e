import assert from "node:assert/strict";
import type { ListObjectsV2CommandInput } from "@aws-sdk/client-s3";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketLocationCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
} from "../sdk.ts";
import { type Bench, type Check, put, refused } from "./check.ts";
import { oddNames } from "./objects.ts";

interface Listed {
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
  readonly pages: number;
}

/** All pages of a list, with names relative to the check's own prefix. */
async function list(
  { client, bucket, prefix }: Bench,
  input: Partial<ListObjectsV2CommandInput> = {},
): Promise<Listed> {
  const keys: string[] = [];
  const prefixes: string[] = [];
  let token: string | undefined;
  let pages = 0;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}/`, ...input, ContinuationToken: token }),
    );
    const size = (page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0);
    assert.ok(size <= (input.MaxKeys ?? 1000), `a page has ${size} names`);
    assert.equal(page.KeyCount, size);
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ""));
    prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix ?? ""));
    token = page.IsTruncated ? page.NextContinuationToken : undefined;
    pages++;
    assert.ok(pages < 100, "the list does not end");
  } while (token !== undefined);
  const own = (names: string[]) => names.map((name) => (input.EncodingType ? name : name.slice(prefix.length + 1)));
  return { keys: own(keys), prefixes: own(prefixes), pages };
}

async function fill(bench: Bench, names: readonly string[]): Promise<void> {
  for (const name of names) await put(bench, `${bench.prefix}/${name}`, "x");
}

const numbered = (count: number, write = (index: string) => index) =>
  Array.from({ length: count }, (_, index) => write(String(index).padStart(3, "0")));

export const listingChecks: readonly Check[] = [
  {
    name: "a list in pages has every key once, in order",
    async run(bench) {
      await fill(bench, numbered(25).toReversed());
      assert.deepEqual(await list(bench, { MaxKeys: 7 }), { keys: numbered(25), prefixes: [], pages: 4 });
      assert.deepEqual(await list(bench, { MaxKeys: 25 }), { keys: numbered(25), prefixes: [], pages: 1 });
    },
  },
  {
    name: "a list in pages with a delimiter has every key and every common prefix once",
    async run(bench) {
      const inner = numbered(6, (index) => `${index}/`);
      await fill(bench, [...inner.flatMap((folder) => [`${folder}a`, `${folder}b`]), "001", "zz"]);
      const expected = { keys: ["001", "zz"], prefixes: inner };
      for (const MaxKeys of [1, 2, 3, 100]) {
        const { keys, prefixes } = await list(bench, { Delimiter: "/", MaxKeys });
        assert.deepEqual({ keys, prefixes }, expected, `by ${MaxKeys}`);
      }
    },
  },
  {
    name: "a list starts after the key it is told to start after",
    async run(bench) {
      await fill(bench, numbered(5));
      assert.deepEqual((await list(bench, { StartAfter: `${bench.prefix}/002` })).keys, ["003", "004"]);
      assert.deepEqual((await list(bench, { StartAfter: `${bench.prefix}/0025`, MaxKeys: 1 })).keys, ["003", "004"]);
    },
  },
  {
    name: "keys are in the order of their UTF-8 bytes",
    async run(bench) {
      // As UTF-16 units the last two would change places.
      const names = ["A", "a", "b", "\u00e9", "\uff5e", "\u{1f600}"];
      await fill(bench, names.toReversed());
      assert.deepEqual((await list(bench)).keys, names);
    },
  },
  {
    name: "odd keys are listed as they are, and encoded on demand",
    async run(bench) {
      await fill(bench, oddNames);
      const sorted = oddNames.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
      assert.deepEqual((await list(bench)).keys, sorted);
      const encoded = (await list(bench, { EncodingType: "url" })).keys;
      assert.deepEqual(
        encoded.map((key) => decodeURIComponent(key.replaceAll("+", " "))),
        sorted.map((name) => `${bench.prefix}/${name}`),
      );
      assert.ok(
        encoded.some((key) => key.includes("%3C%26%3E")),
        encoded.join(" "),
      );
    },
  },
  {
    name: "a list of nothing is empty, and of at most 0 keys too",
    async run(bench) {
      assert.deepEqual(await list(bench), { keys: [], prefixes: [], pages: 1 });
      await fill(bench, ["a"]);
      assert.deepEqual(await list(bench, { MaxKeys: 0 }), { keys: [], prefixes: [], pages: 1 });
    },
  },
  {
    name: "a bucket is made, found, filled, emptied and removed",
    async run(bench) {
      const { client, region, prefix } = bench;
      const Bucket = `bucket-of-${prefix}`;
      await refused(client.send(new HeadBucketCommand({ Bucket })), 404);
      await client.send(new CreateBucketCommand({ Bucket }));
      await client.send(new HeadBucketCommand({ Bucket }));
      const { Buckets } = await client.send(new ListBucketsCommand({}));
      assert.ok(Buckets?.some(({ Name }) => Name === Bucket));
      const { LocationConstraint } = await client.send(new GetBucketLocationCommand({ Bucket }));
      assert.equal(LocationConstraint || "us-east-1", region);
      await put({ ...bench, bucket: Bucket }, "key", "x");
      await refused(client.send(new DeleteBucketCommand({ Bucket })), 409, "BucketNotEmpty");
      await client.send(new DeleteObjectCommand({ Bucket, Key: "key" }));
      await client.send(new DeleteBucketCommand({ Bucket }));
      await refused(client.send(new ListObjectsV2Command({ Bucket })), 404, "NoSuchBucket");
    },
  },
];
