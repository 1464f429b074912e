import assert from "node:assert/strict";
import type { PutObjectCommandInput } from "@aws-sdk/client-s3";
import { DeleteObjectCommand, HeadObjectCommand, PutObjectCommand } from "../sdk.ts";
import { type Bench, type Check, get, put, refused } from "./check.ts";

const read = async (bench: Bench, key: string) => (await get(bench, key)).text;

function write({ client, bucket, prefix }: Bench, input: Omit<PutObjectCommandInput, "Bucket" | "Key">) {
  return client.send(new PutObjectCommand({ Bucket: bucket, Key: prefix, ...input }));
}

function remove({ client, bucket, prefix }: Bench, IfMatch: string) {
  return client.send(new DeleteObjectCommand({ Bucket: bucket, Key: prefix, IfMatch }));
}

const other = '"0123456789abcdef0123456789abcdef"';

/** Reads, adds one and writes back until it is not refused; returns how often it was. */
async function increment(bench: Bench): Promise<number> {
  for (let lost = 0; ; lost++) {
    assert.ok(lost < 500, "an increment is refused for ever");
    const { output, text } = await get(bench, bench.prefix);
    try {
      await write(bench, { Body: String(Number(text) + 1), IfMatch: output.ETag });
      return lost;
    } catch (error) {
      assert.match(error instanceof Error ? error.name : "", /^(PreconditionFailed|ConditionalRequestConflict)$/);
    }
  }
}

export const conditionChecks: readonly Check[] = [
  {
    name: "a PUT with If-None-Match: * creates a free key",
    async run(bench) {
      await write(bench, { Body: "first", IfNoneMatch: "*" });
      assert.equal(await read(bench, bench.prefix), "first");
    },
  },
  {
    name: "a PUT with If-None-Match: * leaves an existing key as it is, with 412",
    async run(bench) {
      await put(bench, bench.prefix, "first");
      await refused(write(bench, { Body: "second", IfNoneMatch: "*" }), 412, "PreconditionFailed");
      assert.equal(await read(bench, bench.prefix), "first");
    },
  },
  {
    name: "a key that was deleted is free for If-None-Match: * again",
    async run(bench) {
      await put(bench, bench.prefix, "first");
      await bench.client.send(new DeleteObjectCommand({ Bucket: bench.bucket, Key: bench.prefix }));
      await write(bench, { Body: "second", IfNoneMatch: "*" });
      assert.equal(await read(bench, bench.prefix), "second");
    },
  },
  {
    name: "a PUT with If-Match of the current ETag replaces the object",
    async run(bench) {
      const before = await put(bench, bench.prefix, "first");
      const { ETag } = await write(bench, { Body: "second", IfMatch: before });
      assert.notEqual(ETag, before);
      assert.equal(await read(bench, bench.prefix), "second");
    },
  },
  {
    name: "a PUT with If-Match of a former ETag leaves the object as it is, with 412",
    async run(bench) {
      const before = await put(bench, bench.prefix, "first");
      await put(bench, bench.prefix, "second");
      await refused(write(bench, { Body: "third", IfMatch: before }), 412, "PreconditionFailed");
      assert.equal(await read(bench, bench.prefix), "second");
    },
  },
  {
    name: "a PUT with If-Match on an absent key creates nothing, with 404 NoSuchKey",
    async run(bench) {
      await refused(write(bench, { Body: "first", IfMatch: other }), 404, "NoSuchKey");
      await refused(read(bench, bench.prefix), 404, "NoSuchKey");
    },
  },
  {
    name: "If-Match takes an ETag without its quotes",
    async run(bench) {
      const before = await put(bench, bench.prefix, "first");
      await write(bench, { Body: "second", IfMatch: before.replaceAll('"', "") });
    },
  },
  {
    name: "a PUT with If-None-Match of an ETag is not implemented",
    deviations: { moto: "takes any value of If-None-Match" },
    run: (bench) => refused(write(bench, { Body: "first", IfNoneMatch: other }), 501, "NotImplemented"),
  },
  {
    name: "of 50 concurrent creators exactly one wins",
    async run(bench) {
      const tries = Array.from({ length: 50 }, (_, index) =>
        write(bench, { Body: `creator ${index}`, IfNoneMatch: "*" }),
      );
      const results = await Promise.allSettled(tries);
      const winners = results.flatMap(({ status }, index) => (status === "fulfilled" ? [index] : []));
      assert.equal(winners.length, 1);
      assert.equal(await read(bench, bench.prefix), `creator ${winners[0]}`);
    },
  },
  {
    name: "of 50 concurrent increments by compare-and-set none is lost",
    async run(bench) {
      await put(bench, bench.prefix, "0");
      const lost = await Promise.all(Array.from({ length: 50 }, () => increment(bench)));
      assert.equal(await read(bench, bench.prefix), "50");
      assert.ok(
        lost.some((count) => count > 0),
        "no increment met another one",
      );
    },
  },
  {
    name: "a DELETE with If-Match of a former ETag leaves the object, with 412",
    async run(bench) {
      const before = await put(bench, bench.prefix, "first");
      await put(bench, bench.prefix, "second");
      await refused(remove(bench, before), 412, "PreconditionFailed");
      assert.equal(await read(bench, bench.prefix), "second");
    },
  },
  {
    name: "a DELETE with If-Match of the current ETag removes the object",
    async run(bench) {
      await remove(bench, await put(bench, bench.prefix, "first"));
      await refused(read(bench, bench.prefix), 404, "NoSuchKey");
    },
  },
  {
    name: "a DELETE with If-Match on an absent key answers 404 NoSuchKey",
    run: (bench) => refused(remove(bench, other), 404, "NoSuchKey"),
  },
  {
    name: "a GET with If-None-Match of the current ETag answers 304, of another the object",
    async run(bench) {
      const ETag = await put(bench, bench.prefix, "first");
      await refused(get(bench, bench.prefix, { IfNoneMatch: ETag }), 304);
      assert.equal((await get(bench, bench.prefix, { IfNoneMatch: other })).text, "first");
    },
  },
  {
    name: "a GET or HEAD with If-Match of another ETag answers 412",
    async run(bench) {
      await put(bench, bench.prefix, "first");
      const input = { Bucket: bench.bucket, Key: bench.prefix, IfMatch: other };
      await refused(get(bench, bench.prefix, { IfMatch: other }), 412, "PreconditionFailed");
      await refused(bench.client.send(new HeadObjectCommand(input)), 412);
    },
  },
];
