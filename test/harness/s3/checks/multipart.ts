import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type {
  CompletedPart,
  CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommandInput,
} from "@aws-sdk/client-s3";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
} from "../sdk.ts";
import { type Bench, type Check, get, put, refused } from "./check.ts";

const full = 5 * 2 ** 20;
const first = Buffer.alloc(full, "first part ");
const last = Buffer.from("last part");

/** An upload under way. */
class Upload {
  readonly bench: Bench;
  readonly id: string;

  constructor(bench: Bench, id: string) {
    this.bench = bench;
    this.id = id;
  }

  get target() {
    return { Bucket: this.bench.bucket, Key: this.bench.prefix, UploadId: this.id };
  }

  async part(PartNumber: number, Body: Buffer): Promise<CompletedPart> {
    const { ETag, ChecksumSHA256 } = await this.bench.client.send(
      new UploadPartCommand({ ...this.target, PartNumber, Body }),
    );
    return { PartNumber, ETag, ...(ChecksumSHA256 ? { ChecksumSHA256 } : {}) };
  }

  complete(Parts: CompletedPart[], input: Partial<CompleteMultipartUploadCommandInput> = {}) {
    return this.bench.client.send(
      new CompleteMultipartUploadCommand({ ...this.target, MultipartUpload: { Parts }, ...input }),
    );
  }
}

async function begin(bench: Bench, input: Partial<CreateMultipartUploadCommandInput> = {}): Promise<Upload> {
  const { UploadId } = await bench.client.send(
    new CreateMultipartUploadCommand({ Bucket: bench.bucket, Key: bench.prefix, ...input }),
  );
  return new Upload(bench, UploadId ?? "");
}

const read = async (bench: Bench, Range?: string) => (await get(bench, bench.prefix, { Range })).text;

export const multipartChecks: readonly Check[] = [
  {
    name: "an upload in parts becomes one object, not before it is completed",
    async run(bench) {
      const upload = await begin(bench, { ContentType: "text/plain", Metadata: { epoch: "7" } });
      const parts = [await upload.part(2, last), await upload.part(1, first)].toReversed();
      const head = () => bench.client.send(new HeadObjectCommand({ Bucket: bench.bucket, Key: bench.prefix }));
      await refused(head(), 404);
      const { ETag } = await upload.complete(parts);
      const md5s = [first, last].map((bytes) => createHash("md5").update(bytes).digest());
      assert.equal(ETag, `"${createHash("md5").update(Buffer.concat(md5s)).digest("hex")}-2"`);
      const found = await head();
      assert.deepEqual(
        [found.ETag, found.ContentLength, found.ContentType, found.Metadata],
        [ETag, full + last.length, "text/plain", { epoch: "7" }],
      );
      assert.equal(await read(bench, `bytes=${full - 4}-${full + 3}`), first.toString("latin1", full - 4) + "last");
    },
  },
  {
    name: "a part below 5 MiB that is not the last is refused",
    async run(bench) {
      const upload = await begin(bench);
      const parts = [await upload.part(1, last), await upload.part(2, last)];
      await refused(upload.complete(parts), 400, "EntityTooSmall");
    },
  },
  {
    name: "a Complete that names a part wrongly is refused, and the upload goes on",
    async run(bench) {
      const upload = await begin(bench);
      const part = await upload.part(1, last);
      await refused(upload.complete([{ ...part, ETag: '"0123456789abcdef0123456789abcdef"' }]), 400, "InvalidPart");
      await refused(upload.complete([part, { PartNumber: 2, ETag: part.ETag }]), 400, "InvalidPart");
      await upload.complete([part]);
      assert.equal(await read(bench), "last part");
    },
  },
  {
    name: "a Complete with parts out of order is refused",
    deviations: { moto: "takes parts in any order" },
    async run(bench) {
      const upload = await begin(bench);
      const parts = [await upload.part(1, first), await upload.part(2, first)].toReversed();
      await refused(upload.complete(parts), 400, "InvalidPartOrder");
    },
  },
  {
    name: "a part that is sent again replaces the former one",
    async run(bench) {
      const upload = await begin(bench);
      const former = await upload.part(1, Buffer.from("former"));
      const part = await upload.part(1, last);
      await refused(upload.complete([former]), 400, "InvalidPart");
      await upload.complete([part]);
      assert.equal(await read(bench), "last part");
    },
  },
  {
    name: "an aborted upload is gone with its parts",
    deviations: { moto: "fails with 500 on a part for an upload that is gone" },
    async run(bench) {
      const upload = await begin(bench);
      const part = await upload.part(1, last);
      await bench.client.send(new AbortMultipartUploadCommand(upload.target));
      await refused(upload.complete([part]), 404, "NoSuchUpload");
      await refused(upload.part(2, last), 404, "NoSuchUpload");
      await refused(bench.client.send(new ListPartsCommand(upload.target)), 404, "NoSuchUpload");
    },
  },
  {
    name: "uploads and their parts are listed until they are completed",
    async run(bench) {
      const upload = await begin(bench);
      const uploads = async () => {
        const page = await bench.client.send(
          new ListMultipartUploadsCommand({ Bucket: bench.bucket, Prefix: bench.prefix }),
        );
        return page.Uploads?.map(({ Key, UploadId }) => ({ Key, UploadId }));
      };
      const part = await upload.part(3, last);
      assert.deepEqual(await uploads(), [{ Key: bench.prefix, UploadId: upload.id }]);
      const { Parts } = await bench.client.send(new ListPartsCommand(upload.target));
      assert.deepEqual(
        Parts?.map(({ PartNumber, ETag, Size }) => ({ PartNumber, ETag, Size })),
        [{ PartNumber: 3, ETag: part.ETag, Size: last.length }],
      );
      await upload.complete([part]);
      assert.equal(await uploads(), undefined);
    },
  },
  {
    name: "a Complete with If-None-Match: * leaves an existing key as it is, with 412",
    async run(bench) {
      const upload = await begin(bench);
      const parts = [await upload.part(1, last)];
      await put(bench, bench.prefix, "first");
      await refused(upload.complete(parts, { IfNoneMatch: "*" }), 412, "PreconditionFailed");
      assert.equal(await read(bench), "first");
    },
  },
  {
    name: "a Complete with If-None-Match: * creates a free key",
    async run(bench) {
      const upload = await begin(bench);
      await upload.complete([await upload.part(1, last)], { IfNoneMatch: "*" });
      assert.equal(await read(bench), "last part");
    },
  },
  {
    name: "a Complete with If-Match replaces the object it names and no other",
    deviations: { moto: "ignores If-Match of a Complete" },
    async run(bench) {
      const before = await put(bench, bench.prefix, "first");
      const current = await put(bench, bench.prefix, "second");
      const upload = await begin(bench);
      const parts = [await upload.part(1, last)];
      await refused(upload.complete(parts, { IfMatch: before }), 412, "PreconditionFailed");
      await upload.complete(parts, { IfMatch: current });
      assert.equal(await read(bench), "last part");
    },
  },
  {
    name: "of 10 uploads completed at once with If-None-Match: * exactly one wins",
    async run(bench) {
      const uploads = await Promise.all(Array.from({ length: 10 }, () => begin(bench)));
      const parts = await Promise.all(uploads.map((upload, index) => upload.part(1, Buffer.from(`upload ${index}`))));
      const results = await Promise.allSettled(
        uploads.map((upload, index) => upload.complete([parts[index] ?? {}], { IfNoneMatch: "*" })),
      );
      const winners = results.flatMap(({ status }, index) => (status === "fulfilled" ? [index] : []));
      assert.equal(winners.length, 1);
      assert.equal(await read(bench), `upload ${winners[0]}`);
    },
  },
  {
    name: "an upload with a checksum has one over its parts' checksums",
    deviations: { moto: "gives no checksum of an upload" },
    async run(bench) {
      const upload = await begin(bench, { ChecksumAlgorithm: "SHA256" });
      const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes);
      const send = async (PartNumber: number, Body: Buffer): Promise<CompletedPart> => {
        const input = { ...upload.target, PartNumber, Body, ChecksumAlgorithm: "SHA256" as const };
        const { ETag, ChecksumSHA256 } = await bench.client.send(new UploadPartCommand(input));
        assert.equal(ChecksumSHA256, sha256(Body).digest("base64"));
        return { PartNumber, ETag, ChecksumSHA256 };
      };
      const { ChecksumSHA256 } = await upload.complete([await send(1, first), await send(2, last)]);
      const whole = Buffer.concat([first, last].map((bytes) => sha256(bytes).digest()));
      assert.equal(ChecksumSHA256, `${sha256(whole).digest("base64")}-2`);
    },
  },
];
