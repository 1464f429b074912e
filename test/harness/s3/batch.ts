import { createHash } from "node:crypto";
import { makeDigest } from "./checksums.ts";
import { requireMatch, requireReadable } from "./conditions.ts";
import { bucketOf, type Context, documentOf, type Handler, header, type Reply, xmlReply } from "./context.ts";
import { S3Error } from "./errors.ts";
import { checksumHeaders, keptHeaders, objectOf, removeObject, write } from "./objects.ts";
import type { StoredObject } from "./state.ts";
import { textOf, type XmlValue } from "./xml.ts";

/** One request, many keys: each has a result of its own and none undoes another. */
export const deleteObjects: Handler = async (context): Promise<Reply> => {
  const bucket = bucketOf(context);
  const { headers } = context;
  if (headers["content-md5"] === undefined && context.body.checksum === undefined) {
    throw new S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  const root = await documentOf(context, "Delete");
  const entries = root.children.filter(({ name }) => name === "Object");
  const quiet = textOf(root, "Quiet") === "true";
  if (entries.length === 0 || entries.length > 1000) {
    throw new S3Error(
      "MalformedXML",
      "The XML you provided was not well-formed or did not validate against our published schema",
    );
  }
  const deleted: XmlValue[] = [];
  const failures: XmlValue[] = [];
  for (const entry of entries) {
    const key = textOf(entry, "Key") ?? "";
    const etag = textOf(entry, "ETag");
    try {
      if (etag !== undefined && context.site.conditionalWrites)
        requireMatch({ ...context, key }, etag, bucket.objects.get(key));
      removeObject(context, bucket, key);
      deleted.push({ Key: key });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      failures.push({ Key: key, Code: error.code, Message: error.message });
    }
  }
  return xmlReply("DeleteResult", { Deleted: quiet ? [] : deleted, Error: failures });
};

interface Source {
  readonly bucket: string;
  readonly key: string;
}

function sourceOf(context: Context): Source {
  const text = decodeURIComponent(header(context, "x-amz-copy-source") ?? "").replace(/^\//, "");
  const slash = text.indexOf("/");
  if (slash < 1)
    throw new S3Error("InvalidArgument", "Copy Source must mention the source bucket and key: sourcebucket/sourcekey");
  if (text.includes("?versionId=")) throw new S3Error("NotImplemented", "Versions are not implemented");
  return { bucket: text.slice(0, slash), key: text.slice(slash + 1) };
}

/** A copy is written in one piece, so it has a plain ETag and checksum also when its source was uploaded in parts. */
async function inOnePiece(
  { site }: Context,
  { etag, checksum, content }: StoredObject,
): Promise<Pick<StoredObject, "etag" | "checksum">> {
  if (!etag.includes("-")) return { etag, ...(checksum ? { checksum } : {}) };
  const md5 = createHash("md5");
  const digest = checksum && makeDigest(checksum.name);
  for await (const piece of content.read()) {
    md5.update(piece);
    digest?.update(piece);
  }
  const value = digest?.digest().toString("base64") ?? "";
  return {
    etag: site.rules.etag(md5.digest("hex")),
    ...(checksum ? { checksum: { name: checksum.name, value, type: "FULL_OBJECT" } } : {}),
  };
}

export const copyObject: Handler = async (context): Promise<Reply> => {
  const named = sourceOf(context);
  const from = { ...context, bucketName: named.bucket, key: named.key };
  const source = objectOf(from, bucketOf(from), named.key);
  requireReadable(context, source, "x-amz-copy-source-");
  const replaces = header(context, "x-amz-metadata-directive") === "REPLACE";
  if (!replaces && named.bucket === context.bucketName && named.key === context.key) {
    throw new S3Error(
      "InvalidRequest",
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const content = source.content.share();
  try {
    const object = await write(context, {
      ...(await inOnePiece(context, source)),
      content,
      headers: replaces ? keptHeaders(context) : source.headers,
    });
    const checksum = checksumHeaders(object.checksum);
    return {
      ...xmlReply("CopyObjectResult", { LastModified: object.modified.toISOString(), ETag: `"${object.etag}"` }),
      headers: checksum,
    };
  } catch (error) {
    content.release();
    throw error;
  }
};
