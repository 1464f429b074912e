import { copyObject, deleteObjects } from "./batch.ts";
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from "./buckets.ts";
import { completeMultipartUpload } from "./complete.ts";
import type { Handler } from "./context.ts";
import { listObjectsV2 } from "./listing.ts";
import { abortMultipartUpload, createMultipartUpload, uploadPart } from "./multipart.ts";
import { deleteObject, getObject, putObject } from "./objects.ts";
import type { Operation } from "./operations.ts";
import { listMultipartUploads, listParts } from "./uploads.ts";

/** Who answers what. */
export const handlers: Readonly<Record<Operation, Handler>> = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  HeadBucket: headBucket,
  DeleteBucket: deleteBucket,
  GetBucketLocation: getBucketLocation,
  ListObjectsV2: listObjectsV2,
  ListMultipartUploads: listMultipartUploads,
  DeleteObjects: deleteObjects,
  PutObject: putObject,
  CopyObject: copyObject,
  GetObject: getObject,
  HeadObject: getObject,
  DeleteObject: deleteObject,
  CreateMultipartUpload: createMultipartUpload,
  UploadPart: uploadPart,
  CompleteMultipartUpload: completeMultipartUpload,
  AbortMultipartUpload: abortMultipartUpload,
  ListParts: listParts,
};
