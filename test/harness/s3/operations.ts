import { S3Error } from "./errors.ts";
import type { Target } from "./target.ts";

/** A way to ask for an operation: method, level and the query names that must and may be there. */
interface Shape {
  readonly method: string;
  readonly level: "service" | "bucket" | "object";
  readonly must?: readonly string[];
  readonly may?: readonly string[];
}

const overrides = ["type", "language", "expires", "cache-control", "disposition", "encoding"].map((name) =>
  name === "cache-control" || name === "expires" ? `response-${name}` : `response-content-${name}`,
);

const shapes = {
  ListBuckets: { method: "GET", level: "service", may: ["max-buckets", "prefix"] },
  CreateBucket: { method: "PUT", level: "bucket" },
  HeadBucket: { method: "HEAD", level: "bucket" },
  DeleteBucket: { method: "DELETE", level: "bucket" },
  GetBucketLocation: { method: "GET", level: "bucket", must: ["location"] },
  ListObjectsV2: {
    method: "GET",
    level: "bucket",
    must: ["list-type"],
    may: ["prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type", "fetch-owner"],
  },
  ListMultipartUploads: {
    method: "GET",
    level: "bucket",
    must: ["uploads"],
    may: ["prefix", "max-uploads", "key-marker", "upload-id-marker", "encoding-type"],
  },
  DeleteObjects: { method: "POST", level: "bucket", must: ["delete"] },
  PutObject: { method: "PUT", level: "object" },
  CopyObject: { method: "PUT", level: "object" },
  GetObject: { method: "GET", level: "object", may: overrides },
  HeadObject: { method: "HEAD", level: "object", may: overrides },
  DeleteObject: { method: "DELETE", level: "object" },
  CreateMultipartUpload: { method: "POST", level: "object", must: ["uploads"] },
  UploadPart: { method: "PUT", level: "object", must: ["partNumber", "uploadId"] },
  CompleteMultipartUpload: { method: "POST", level: "object", must: ["uploadId"] },
  AbortMultipartUpload: { method: "DELETE", level: "object", must: ["uploadId"] },
  ListParts: { method: "GET", level: "object", must: ["uploadId"], may: ["max-parts", "part-number-marker"] },
} as const satisfies Readonly<Record<string, Shape>>;

export type Operation = keyof typeof shapes;
export const operations = Object.keys(shapes) as readonly Operation[];

/** Reads are delayed by `latencyMs.read`, everything else by `latencyMs.write`. */
export function isRead(operation: Operation): boolean {
  return /^(Get|Head|List)/.test(operation);
}

/** Names that authenticate or only inform, allowed with every operation. */
const everywhere = /^(x-id$|x-amz-)/i;

/** Headers that ask for what this server does not do. Ignoring one of them would be a silent lie. */
const refused =
  /^x-amz-(tagging|website-|object-lock-|grant-|write-offset|server-side-encryption-(customer|aws)|if-match-|mfa)/;

/**
 * The operation a request means. A query name that its operation does not know is refused: a sub-resource such as
 * `?acl` must never be taken for a plain request to the object.
 */
export function operationOf(method: string, target: Target, headers: NodeJS.Dict<string | string[]>): Operation {
  const level = target.key !== undefined ? "object" : target.bucket !== undefined ? "bucket" : "service";
  const names = target.query.map(([name]) => name).filter((name) => !everywhere.test(name));
  const copies = headers["x-amz-copy-source"] !== undefined;
  const found = operations.find((operation) => {
    const shape: Shape = shapes[operation];
    const { must = [], may = [] } = shape;
    if (shape.method !== method || shape.level !== level || (operation === "CopyObject") !== copies) return false;
    return (
      must.every((name) => names.includes(name)) && names.every((name) => must.includes(name) || may.includes(name))
    );
  });
  const header = Object.keys(headers).find((name) => refused.test(name));
  if (!found || header !== undefined) {
    throw new S3Error(
      "NotImplemented",
      "A header or query you provided implies functionality that is not implemented",
      {
        ...(header === undefined ? {} : { Header: header }),
        Resource: `${method} ${level} ${names.join("&")}`,
      },
    );
  }
  return found;
}
