/** Releases of a bench that are not what they should be. */
import { createHash } from "node:crypto";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { encodeManifest, type LayerName, type ReleaseManifest } from "../../src/deploy/release/manifest.ts";
import type { Ec2Bench } from "./bench.ts";

const prefix = "tinderbox/";
const hashOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** The bench's release, but for one layer that is not in the bucket, or not as it was. Gives its id. */
export async function spoiltRelease(bench: Ec2Bench, layer: LayerName, vice: "missing" | "corrupt"): Promise<string> {
  const { s3, bucket, env, cloud } = bench.site;
  const read = async (key: string): Promise<Buffer> => (await s3.buckets.read(bucket, prefix + key))!;
  const manifest = JSON.parse(String(await read(`releases/${bench.release}.json`))) as ReleaseManifest;
  const given = manifest.layers.find(({ name }) => name === layer)!;
  const sha256 = hashOf(Buffer.from(`${layer} ${vice}`));
  const layers = manifest.layers.map((one) => (one === given ? { ...one, sha256 } : one));
  const { id, bytes } = encodeManifest({ ...manifest, layers });
  const client = new S3Client({
    endpoint: s3.endpoint,
    region: cloud.region,
    forcePathStyle: true,
    credentials: { accessKeyId: env["AWS_ACCESS_KEY_ID"]!, secretAccessKey: env["AWS_SECRET_ACCESS_KEY"]! },
  });
  const put = (key: string, Body: Uint8Array): Promise<unknown> =>
    client.send(new PutObjectCommand({ Bucket: bucket, Key: prefix + key, Body }));
  if (vice === "corrupt") {
    const body = Buffer.from(await read(`layers/${given.sha256}.tar.gz`));
    body[body.length >> 1]! ^= 1;
    await put(`layers/${sha256}.tar.gz`, body);
  }
  await put(`releases/${id}.json`, bytes);
  client.destroy();
  return id;
}
