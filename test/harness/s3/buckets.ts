import { bucketOf, type Context, documentOf, type Handler, type Reply, xmlReply } from "./context.ts";
import { S3Error } from "./errors.ts";
import type { Bucket } from "./state.ts";
import { textOf } from "./xml.ts";

const owner = { ID: "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a" };

export function makeBucket(name: string, nowMs: number): Bucket {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) || name.includes("..")) {
    throw new S3Error("InvalidBucketName", "The specified bucket is not valid.", { BucketName: name });
  }
  return { name, created: new Date(nowMs), objects: new Map(), uploads: new Map() };
}

export const listBuckets: Handler = ({ site, query }) => {
  const prefix = query("prefix") ?? "";
  const found = [...site.buckets.values()].filter(({ name }) => name.startsWith(prefix));
  const rows = found.toSorted((left, right) => (left.name < right.name ? -1 : 1));
  return xmlReply("ListAllMyBucketsResult", {
    Buckets: {
      Bucket: rows.map(({ name, created }) => ({
        Name: name,
        CreationDate: created.toISOString(),
        BucketRegion: site.region,
      })),
    },
    Owner: owner,
  });
};

export const createBucket: Handler = async (context) => {
  const { site, bucketName } = context;
  const bucket = makeBucket(bucketName, site.now());
  if (context.body.content.size > 0) {
    const place = textOf(await documentOf(context, "CreateBucketConfiguration"), "LocationConstraint") ?? site.region;
    if (place !== site.region) {
      throw new S3Error(
        "IllegalLocationConstraintException",
        `The ${place} location constraint is incompatible for the region specific endpoint this request was sent to.`,
      );
    }
  }
  if (site.buckets.has(bucketName)) {
    throw new S3Error(
      "BucketAlreadyOwnedByYou",
      "Your previous request to create the named bucket succeeded and you already own it.",
      {
        BucketName: bucketName,
      },
    );
  }
  site.buckets.set(bucketName, bucket);
  return { status: 200, headers: { location: `/${bucketName}` } };
};

export const headBucket: Handler = (context) => {
  bucketOf(context);
  return { status: 200, headers: { "x-amz-bucket-region": context.site.region } };
};

export const deleteBucket: Handler = (context): Reply => {
  const bucket = bucketOf(context);
  if (bucket.objects.size > 0 || bucket.uploads.size > 0) {
    throw new S3Error("BucketNotEmpty", "The bucket you tried to delete is not empty", { BucketName: bucket.name });
  }
  context.site.buckets.delete(bucket.name);
  return { status: 204 };
};

/** The oldest region answers with an empty element. */
export function getBucketLocation(context: Context): Reply {
  bucketOf(context);
  const { region } = context.site;
  return xmlReply("LocationConstraint", region === "us-east-1" ? "" : region);
}
