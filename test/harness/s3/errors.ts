import { randomBytes } from "node:crypto";
import { element } from "./xml.ts";

/** The HTTP status that belongs to each code this server answers with. */
const statuses = {
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  ConditionalRequestConflict: 409,
  EntityTooSmall: 400,
  ExpiredToken: 400,
  IllegalLocationConstraintException: 400,
  IncompleteBody: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidChunkSizeError: 403,
  InvalidDigest: 400,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidToken: 400,
  InvalidURI: 400,
  KeyTooLongError: 400,
  MalformedTrailerError: 400,
  MalformedXML: 400,
  MetadataTooLarge: 400,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NotImplemented: 501,
  NotModified: 304,
  PreconditionFailed: 412,
  RequestTimeTooSkewed: 403,
  SignatureDoesNotMatch: 403,
  SlowDown: 503,
  XAmzContentSHA256Mismatch: 400,
} as const;

export type S3ErrorCode = keyof typeof statuses;

/** An answer that refuses a request. Thrown anywhere, turned into XML at one place. */
export class S3Error extends Error {
  readonly code: S3ErrorCode;
  readonly status: number;
  /** Further elements of the XML, such as the key that is missing. */
  readonly fields: Readonly<Record<string, string | number>>;
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: S3ErrorCode,
    message: string,
    fields: Readonly<Record<string, string | number>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.name = code;
    this.code = code;
    this.status = statuses[code];
    this.fields = fields;
    this.headers = headers;
  }
}

/** What AWS sends along with every answer, for its support. */
export interface ReplyIds {
  readonly requestId: string;
  readonly hostId: string;
}

export function makeReplyIds(): ReplyIds {
  return { requestId: randomBytes(8).toString("hex").toUpperCase(), hostId: randomBytes(32).toString("base64") };
}

export function errorXml(error: S3Error, ids: ReplyIds): string {
  return element("Error", {
    Code: error.code,
    Message: error.message,
    ...error.fields,
    RequestId: ids.requestId,
    HostId: ids.hostId,
  });
}
