import assert from "node:assert/strict";
import type { GetObjectCommandInput, GetObjectCommandOutput, S3ClientConfig, S3Client } from "@aws-sdk/client-s3";
import { GetObjectCommand, PutObjectCommand, S3ServiceException, S3Client as Client } from "../sdk.ts";
import type { Credentials } from "../authenticate.ts";

/** Where a server is that speaks S3. */
export interface Place {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
}

/** What a check works with. Its keys begin with `prefix`, which no other check uses. */
export interface Bench extends Place {
  readonly client: S3Client;
  readonly bucket: string;
  readonly prefix: string;
  /** A client of other settings, destroyed when the check is over. */
  connect(settings: S3ClientConfig): S3Client;
}

/** Servers that were compared and do not pass everything. */
export type Deviant = "moto";

/** One thing that S3 does, as the unmodified SDK sees it. Throws when the server does something else. */
export interface Check {
  readonly name: string;
  run(bench: Bench): Promise<void>;
  /** Why a server is known to fail this. */
  readonly deviations?: Partial<Readonly<Record<Deviant, string>>>;
}

const ignore = () => undefined;

/** Settings that show a server as it is: no retry, and no advice on the console. */
export function clientOf({ endpoint, region, credentials }: Place, settings: S3ClientConfig = {}): S3Client {
  const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  return new Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1, logger, ...settings });
}

/** Asserts that a request is refused with a status and, if given, a code. */
export async function refused(request: Promise<unknown>, status: number, code?: string): Promise<void> {
  const error = await request.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error !== undefined, `it is accepted, wanted is ${status} ${code}`);
  assert.ok(error instanceof S3ServiceException, `it fails with ${String(error)}, wanted is ${status} ${code}`);
  const seen = `${error.$metadata.httpStatusCode} ${error.name}`;
  assert.equal(seen, `${status} ${code ?? error.name}`, `it is refused with ${seen}: ${error.message}`);
}

/** Writes a text and returns its ETag. */
export async function put({ client, bucket }: Bench, key: string, text: string): Promise<string> {
  const { ETag } = await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: text }));
  return ETag ?? "";
}

/** Reads an object to its end, since a body that nobody reads fails when its client is destroyed. */
export async function get(
  { client, bucket }: Bench,
  key: string,
  input: Partial<GetObjectCommandInput> = {},
): Promise<Got> {
  const output = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key, ...input }));
  return { output, text: (await output.Body?.transformToString()) ?? "" };
}

export interface Got {
  readonly output: GetObjectCommandOutput;
  readonly text: string;
}
