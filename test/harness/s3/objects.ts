import type { Checksum } from "./checksums.ts";
import { requireReadable, writeCondition } from "./conditions.ts";
import { bucketOf, type Context, type Handler, header, type Reply } from "./context.ts";
import { S3Error } from "./errors.ts";
import { parseRange } from "./range.ts";
import { type Bucket, place, type StoredObject } from "./state.ts";

const kept =
  /^(content-(type|language|disposition)|cache-control|expires|x-amz-meta-.+|x-amz-storage-class|x-amz-server-side-encryption)$/;

/** What a writer says about an object and gets back with it. */
export function keptHeaders(context: Context): Record<string, string> {
  const found: Record<string, string> = { "content-type": "binary/octet-stream" };
  for (const name of Object.keys(context.headers)) if (kept.test(name)) found[name] = header(context, name) ?? "";
  // How the body was framed on its way is not a property of the object.
  const encoding = (header(context, "content-encoding") ?? "").split(",").map((part) => part.trim());
  const rest = encoding.filter((part) => part !== "" && part !== "aws-chunked").join(", ");
  if (rest !== "") found["content-encoding"] = rest;
  const size = Object.entries(found).reduce(
    (sum, [name, value]) => sum + (name.startsWith("x-amz-meta-") ? name.length - 11 + value.length : 0),
    0,
  );
  if (size > 2048)
    throw new S3Error("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", {
      Size: size,
      MaxSizeAllowed: 2048,
    });
  return found;
}

export function objectOf(context: Context, bucket: Bucket, key: string): StoredObject {
  const object = bucket.objects.get(key);
  if (object) return object;
  throw new S3Error("NoSuchKey", "The specified key does not exist.", { Key: context.key });
}

export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (!checksum) return {};
  return { [`x-amz-checksum-${checksum.name}`]: checksum.value, "x-amz-checksum-type": checksum.type };
}

/** Puts an object where the request says, if its condition holds. */
export function write(
  context: Context,
  made: Omit<StoredObject, "key" | "modified">,
): StoredObject | Promise<StoredObject> {
  const bucket = bucketOf(context);
  const condition = writeCondition(context);
  return context.site.rules.settle(
    () => condition(bucket.objects.get(context.key)),
    () => {
      const object = { ...made, key: context.key, modified: new Date(context.site.now()) };
      place(bucket, object);
      return object;
    },
  );
}

export const putObject: Handler = async (context): Promise<Reply> => {
  const { body, site } = context;
  const content = body.content.share();
  try {
    const object = await write(context, {
      etag: site.rules.etag(body.md5),
      content,
      headers: keptHeaders(context),
      ...(body.checksum ? { checksum: body.checksum } : {}),
    });
    return { status: 200, headers: { etag: `"${object.etag}"`, ...checksumHeaders(object.checksum) } };
  } catch (error) {
    content.release();
    throw error;
  }
};

/** GetObject and HeadObject: the same, but for the body. */
export const getObject: Handler = (context): Reply => {
  const object = objectOf(context, bucketOf(context), context.key);
  requireReadable(context, object);
  const { size } = object.content;
  const asked = parseRange(header(context, "range"), size);
  const [start, end] = asked ? context.site.rules.range(asked.start, asked.end) : [0, size];
  const overridden = [
    ...["type", "language", "disposition", "encoding"].map((name) => `content-${name}`),
    "cache-control",
    "expires",
  ]
    .map((name) => [name, context.query(`response-${name}`)] as const)
    .filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  // AWS has no checksum of a range to give.
  const checksum =
    header(context, "x-amz-checksum-mode")?.toUpperCase() === "ENABLED" && !asked ? object.checksum : undefined;
  const headers = {
    "accept-ranges": "bytes",
    ...object.headers,
    etag: `"${object.etag}"`,
    "last-modified": object.modified.toUTCString(),
    "content-length": String(end - start),
    ...(asked ? { "content-range": `bytes ${start}-${end - 1}/${size}` } : {}),
    ...checksumHeaders(checksum),
    ...Object.fromEntries(overridden),
  };
  const status = asked ? 206 : 200;
  if (context.operation === "HeadObject") return { status, headers };
  return { status, headers, content: { content: object.content.share(), start, end } };
};

export const deleteObject: Handler = async (context): Promise<Reply> => {
  const bucket = bucketOf(context);
  const condition = writeCondition(context);
  await context.site.rules.settle(
    () => condition(bucket.objects.get(context.key)),
    () => removeObject(context, bucket, context.key),
  );
  return { status: 204 };
};

/** Removes a key, and lets its bytes go if it really went. */
export function removeObject(context: Context, bucket: Bucket, key: string): void {
  const object = bucket.objects.get(key);
  context.site.rules.remove(bucket.objects, key);
  if (!bucket.objects.has(key)) object?.content.release();
}
