/** The store that a release is brought to. */
import { fileURLToPath } from "node:url";
import { systemClock } from "../clock.ts";
import { show } from "../options.ts";
import type { StoreDriver } from "../ports/store.ts";
import { fileDriver } from "../store/drivers/file.ts";
import { s3Driver } from "../store/drivers/s3.ts";

/**
 * Opens `s3://bucket/prefix` or `file:///folder`. Region, credentials and the address of a server that is not AWS are found as the AWS SDK
 * finds them. What conditions of writes mean to a server is not tried out: an object that is written twice has the same bytes.
 *
 * @throws TypeError for anything else.
 */
export function openTarget(url: string): StoreDriver {
  if (/^file:\/\/\/./i.test(url)) return fileDriver({ folder: fileURLToPath(url), clock: systemClock });
  const [, bucket, prefix = ""] = /^s3:\/\/([^/?#@]+)(?:\/([^?#]*))?$/i.exec(url) ?? [];
  if (bucket === undefined)
    throw new TypeError(`Cannot use ${show(url)} as --to: s3://bucket/prefix or file:///folder is wanted`);
  const { AWS_ENDPOINT_URL_S3: ours, AWS_ENDPOINT_URL: general } = process.env;
  const endpoint = ours || general || undefined;
  return s3Driver({ bucket, prefix: prefix.replace(/\/$/, ""), endpoint, clock: systemClock });
}
