import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import type { PutObjectCommandInput } from "@aws-sdk/client-s3";
import { GetObjectCommand, getSignedUrl, HeadObjectCommand, PutObjectCommand } from "../sdk.ts";
import { type Bench, type Check, refused } from "./check.ts";

function write({ client, bucket, prefix }: Bench, input: Omit<PutObjectCommandInput, "Bucket" | "Key">) {
  return client.send(new PutObjectCommand({ Bucket: bucket, Key: prefix, ...input }));
}

const absent = ({ client, bucket, prefix }: Bench) =>
  refused(client.send(new HeadObjectCommand({ Bucket: bucket, Key: prefix })), 404);

/** A stream of given pieces: the SDK frames each as a chunk of its own. */
const streamOf = (bytes: Buffer, piece: number) =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / piece) }, (_, index) =>
      bytes.subarray(index * piece, (index + 1) * piece),
    ),
    { objectMode: false },
  );

async function stored({ client, bucket, prefix }: Bench): Promise<Uint8Array | undefined> {
  return (await client.send(new GetObjectCommand({ Bucket: bucket, Key: prefix }))).Body?.transformToByteArray();
}

export const bodyChecks: readonly Check[] = [
  {
    name: "a stream arrives without its framing, and is read without aws-chunked as its encoding",
    async run(bench) {
      const bytes = randomBytes(300_000);
      await write(bench, { Body: streamOf(bytes, 65_536), ContentLength: bytes.length });
      assert.deepEqual(Buffer.from((await stored(bench)) ?? []), bytes);
      const { ContentEncoding, ContentLength } = await bench.client.send(
        new HeadObjectCommand({ Bucket: bench.bucket, Key: bench.prefix }),
      );
      assert.deepEqual([ContentEncoding, ContentLength], [undefined, bytes.length]);
    },
  },
  {
    name: "a stream of small chunks is refused, and accepted when the client buffers it",
    deviations: { moto: "accepts chunks of any size" },
    async run(bench) {
      const bytes = randomBytes(40_000);
      const input = () => ({ Body: streamOf(bytes, 1000), ContentLength: bytes.length });
      await refused(write(bench, input()), 403, "InvalidChunkSizeError");
      await absent(bench);
      await write({ ...bench, client: bench.connect({ requestStreamBufferSize: 65_536 }) }, input());
      assert.deepEqual(Buffer.from((await stored(bench)) ?? []), bytes);
    },
  },
  {
    name: "a body of unknown length is refused",
    deviations: { moto: "accepts it" },
    async run({ client, bucket, prefix }) {
      const url = await getSignedUrl(client, new PutObjectCommand({ Bucket: bucket, Key: prefix }));
      const init = {
        method: "PUT",
        body: Readable.toWeb(streamOf(randomBytes(100_000), 65_536)),
        duplex: "half" as const,
      };
      const response = await fetch(url, init as RequestInit);
      assert.deepEqual([response.status, /<Code>(\w+)/.exec(await response.text())?.[1]], [501, "NotImplemented"]);
    },
  },
  ...(["CRC32", "CRC32C", "SHA1", "SHA256"] as const).map((name): Check => ({
    name: `a ${name} checksum is verified, kept and given back`,
    async run(bench) {
      const field = `Checksum${name}` as const;
      const { [field]: value } = await write(bench, { Body: "123456789", ChecksumAlgorithm: name });
      const known = {
        CRC32: "y/Q5Jg==",
        CRC32C: "4waSgw==",
        SHA1: createHash("sha1").update("123456789").digest("base64"),
        SHA256: createHash("sha256").update("123456789").digest("base64"),
      };
      assert.equal(value, known[name]);
      const input = { Bucket: bench.bucket, Key: bench.prefix };
      assert.equal(
        (await bench.client.send(new HeadObjectCommand({ ...input, ChecksumMode: "ENABLED" })))[field],
        value,
      );
    },
  })),
  {
    name: "a wrong checksum is refused and nothing is stored",
    deviations: { moto: "does not verify checksums" },
    async run(bench) {
      await refused(write(bench, { Body: "123456789", ChecksumCRC32: "AAAAAA==" }), 400, "BadDigest");
      await absent(bench);
    },
  },
  {
    name: "a checksum is given only to who asks for it",
    async run(bench) {
      await write(bench, { Body: "123456789" });
      const quiet = bench.connect({ responseChecksumValidation: "WHEN_REQUIRED" });
      const input = { Bucket: bench.bucket, Key: bench.prefix };
      assert.equal((await quiet.send(new HeadObjectCommand(input))).ChecksumCRC32, undefined);
      assert.equal(
        (await quiet.send(new HeadObjectCommand({ ...input, ChecksumMode: "ENABLED" }))).ChecksumCRC32,
        "y/Q5Jg==",
      );
    },
  },
  {
    name: "a wrong Content-MD5 is refused and nothing is stored",
    deviations: { moto: "does not verify Content-MD5" },
    async run(bench) {
      await refused(write(bench, { Body: "123456789", ContentMD5: "1B2M2Y8AsgTpgAmY7PhCfg==" }), 400, "BadDigest");
      await absent(bench);
    },
  },
  {
    name: "a body that is not the signed one is refused and nothing is stored",
    deviations: { moto: "does not verify the body's digest" },
    async run(bench) {
      const client = bench.connect({ requestChecksumCalculation: "WHEN_REQUIRED" });
      const { requestHandler } = client.config;
      const handle = requestHandler.handle.bind(requestHandler);
      requestHandler.handle = (request, options) => {
        request.body = "12345678X";
        return handle(request, options);
      };
      await refused(write({ ...bench, client }, { Body: "123456789" }), 400, "XAmzContentSHA256Mismatch");
      await absent(bench);
    },
  },
];
