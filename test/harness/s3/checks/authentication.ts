import assert from "node:assert/strict";
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { GetObjectCommand, PutObjectCommand } from "../sdk.ts";
import { getSignedUrl } from "../sdk.ts";
import { type Bench, type Check, get, put, refused } from "./check.ts";

const unverified = { moto: "verifies no signature" };

/** Reads as a client of other settings. */
function getAs(bench: Bench, settings: S3ClientConfig) {
  return get({ ...bench, client: bench.connect(settings) }, bench.prefix);
}

function presignGet(
  { client, bucket, prefix }: Bench,
  options: { expiresIn?: number; signingDate?: Date } = {},
): Promise<string> {
  return getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: prefix }), options);
}

async function fetched(
  url: string,
  options: RequestInit = {},
): Promise<{ status: number; text: string; code: string | undefined }> {
  const response = await fetch(url, options);
  const text = await response.text();
  return { status: response.status, text, code: /<Code>(\w+)<\/Code>/.exec(text)?.[1] };
}

export const authenticationChecks: readonly Check[] = [
  {
    name: "a request signed with a wrong secret is refused",
    deviations: unverified,
    async run(bench) {
      await put(bench, bench.prefix, "first");
      const credentials = { ...bench.credentials, secretAccessKey: "wrong" };
      await refused(getAs(bench, { credentials }), 403, "SignatureDoesNotMatch");
    },
  },
  {
    name: "a request of an unknown key is refused",
    deviations: unverified,
    run: (bench) =>
      refused(
        getAs(bench, { credentials: { accessKeyId: "AKIANOBODY", secretAccessKey: "x" } }),
        403,
        "InvalidAccessKeyId",
      ),
  },
  {
    name: "a request without a signature is refused",
    deviations: unverified,
    async run(bench) {
      await put(bench, bench.prefix, "first");
      const { status, code } = await fetched(`${bench.endpoint}/${bench.bucket}/${bench.prefix}`);
      assert.deepEqual([status, code], [403, "AccessDenied"]);
    },
  },
  {
    name: "a request signed for another region is refused",
    deviations: unverified,
    run: (bench) => refused(getAs(bench, { region: "eu-nowhere-1" }), 400, "AuthorizationHeaderMalformed"),
  },
  {
    name: "a request signed 20 minutes ago or ahead is refused",
    deviations: unverified,
    async run(bench) {
      for (const minutes of [-20, 20]) {
        await refused(getAs(bench, { systemClockOffset: minutes * 60_000 }), 403, "RequestTimeTooSkewed");
      }
    },
  },
  {
    name: "a request signed 10 minutes ago is taken",
    async run(bench) {
      await put(bench, bench.prefix, "first");
      await getAs(bench, { systemClockOffset: -10 * 60_000 });
    },
  },
  {
    name: "a presigned GET gives the object to anyone",
    async run(bench) {
      await put(bench, bench.prefix, "first");
      assert.equal((await fetched(await presignGet(bench))).text, "first");
    },
  },
  {
    name: "a presigned PUT takes a body that was not known when it was signed",
    async run(bench) {
      const command = new PutObjectCommand({ Bucket: bench.bucket, Key: bench.prefix });
      const url = await getSignedUrl(bench.client, command);
      const { status, text } = await fetched(url, { method: "PUT", body: Buffer.from("first") });
      assert.equal(status, 200, text);
      assert.equal((await get(bench, bench.prefix)).text, "first");
    },
  },
  {
    name: "a presigned GET of another key is refused",
    deviations: unverified,
    async run(bench) {
      await put(bench, `${bench.prefix}x`, "other");
      const { status, code } = await fetched(
        (await presignGet(bench)).replace(`${bench.prefix}?`, `${bench.prefix}x?`),
      );
      assert.deepEqual([status, code], [403, "SignatureDoesNotMatch"]);
    },
  },
  {
    name: "a presigned GET that has expired is refused",
    deviations: unverified,
    async run(bench) {
      await put(bench, bench.prefix, "first");
      const url = await presignGet(bench, { expiresIn: 60, signingDate: new Date(Date.now() - 120_000) });
      const { status, code, text } = await fetched(url);
      assert.deepEqual([status, code], [403, "AccessDenied"]);
      assert.match(text, /expired/);
    },
  },
];
