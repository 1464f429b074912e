import type { IncomingHttpHeaders } from "node:http";
import { textHeader } from "./authenticate.ts";
import type { Content } from "./content.ts";
import { S3Error } from "./errors.ts";
import type { Operation } from "./operations.ts";
import type { Received } from "./receive.ts";
import type { Rules } from "./rules.ts";
import type { Bucket, Upload } from "./state.ts";
import { element, parseXml, type XmlNode, type XmlValue } from "./xml.ts";

/** What the whole server shares. */
export interface Site {
  readonly region: string;
  readonly buckets: Map<string, Bucket>;
  readonly rules: Rules;
  /** False: conditions of writes are not looked at, as by servers that do not know them. */
  readonly conditionalWrites: boolean;
  now(): number;
}

/** One authenticated request whose body is here and verified. */
export interface Context {
  readonly site: Site;
  readonly operation: Operation;
  readonly bucketName: string;
  readonly key: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Received;
  query(name: string): string | undefined;
}

/** An answer. Who takes it owns its content and releases it. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly xml?: string;
  readonly content?: { readonly content: Content; readonly start: number; readonly end: number };
}

export type Handler = (context: Context) => Reply | Promise<Reply>;

export function header(context: Context, name: string): string | undefined {
  return textHeader(context.headers, name);
}

export function xmlReply(name: string, value: XmlValue): Reply {
  return { status: 200, xml: element(name, value, true) };
}

export function bucketOf({ site, bucketName }: Context): Bucket {
  const bucket = site.buckets.get(bucketName);
  if (!bucket) throw new S3Error("NoSuchBucket", "The specified bucket does not exist", { BucketName: bucketName });
  return bucket;
}

export function uploadOf(context: Context, bucket: Bucket = bucketOf(context)): Upload {
  const id = context.query("uploadId") ?? "";
  const upload = bucket.uploads.get(id);
  if (upload?.key === context.key) return upload;
  throw new S3Error(
    "NoSuchUpload",
    "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    {
      UploadId: id,
    },
  );
}

/** The root element of a request's body. */
export async function documentOf(context: Context, root: string): Promise<XmlNode> {
  const node = parseXml((await context.body.content.bytes()).toString("utf8"));
  if (node?.name === root) return node;
  throw new S3Error(
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
  );
}

/** A whole number in the query, or `otherwise` when it is not given. */
export function countOf(context: Context, name: string, otherwise: number): number {
  const text = context.query(name);
  if (text === undefined || text === "") return otherwise;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new S3Error("InvalidArgument", `Provided ${name} not an integer or within integer range`, {
    ArgumentName: name,
    ArgumentValue: text,
  });
}
