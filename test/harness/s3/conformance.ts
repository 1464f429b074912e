import type { S3Client } from "@aws-sdk/client-s3";
import { CreateBucketCommand } from "./sdk.ts";
import { authenticationChecks } from "./checks/authentication.ts";
import { bodyChecks } from "./checks/bodies.ts";
import { type Bench, type Check, clientOf, type Place } from "./checks/check.ts";
import { conditionChecks } from "./checks/conditions.ts";
import { listingChecks } from "./checks/listing.ts";
import { multipartChecks } from "./checks/multipart.ts";
import { objectChecks } from "./checks/objects.ts";

export type { Check, Place } from "./checks/check.ts";

/** What a server has to do to be taken for S3. One list for all servers; where one deviates, the check says why. */
export const conformance: readonly Check[] = [
  ...conditionChecks,
  ...objectChecks,
  ...bodyChecks,
  ...listingChecks,
  ...multipartChecks,
  ...authenticationChecks,
];

let runs = 0;

/** Runs one check in a bucket of the given name, which is made if need be. Throws what the check throws. */
export async function runCheck(check: Check, place: Place, bucket = "conformance"): Promise<void> {
  const clients: S3Client[] = [];
  const connect: Bench["connect"] = (settings) => {
    const client = clientOf(place, settings);
    clients.push(client);
    return client;
  };
  const client = connect({});
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error: unknown) => {
      if (!(error instanceof Error && error.name.startsWith("BucketAlready"))) throw error;
    });
    await check.run({ ...place, client, bucket, prefix: `check-${process.pid}-${runs++}`, connect });
  } finally {
    for (const one of clients) one.destroy();
  }
}
