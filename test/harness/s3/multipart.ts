import { randomBytes } from "node:crypto";
import { type ChecksumName, checksumNames } from "./checksums.ts";
import { bucketOf, type Context, countOf, type Handler, header, type Reply, uploadOf, xmlReply } from "./context.ts";
import { S3Error } from "./errors.ts";
import { checksumHeaders, keptHeaders } from "./objects.ts";
import { discard, type Upload } from "./state.ts";

function checksumAsked(context: Context): Upload["checksum"] {
  const asked = header(context, "x-amz-checksum-algorithm")?.toLowerCase();
  if (asked === undefined) return undefined;
  const name = checksumNames.find((known) => known === asked);
  if (!name) throw new S3Error("NotImplemented", "This checksum is not implemented", { Algorithm: asked });
  const type = header(context, "x-amz-checksum-type") ?? (name === "crc64nvme" ? "FULL_OBJECT" : "COMPOSITE");
  if ((type !== "FULL_OBJECT" && type !== "COMPOSITE") || (type === "COMPOSITE" && name === "crc64nvme")) {
    throw new S3Error(
      "InvalidRequest",
      `The ${type} checksum type cannot be used with the ${asked} checksum algorithm.`,
    );
  }
  if (type === "FULL_OBJECT" && name.startsWith("sha")) {
    throw new S3Error(
      "InvalidRequest",
      `The ${type} checksum type cannot be used with the ${asked} checksum algorithm.`,
    );
  }
  return { name, type };
}

export const createMultipartUpload: Handler = (context): Reply => {
  const bucket = bucketOf(context);
  const checksum = checksumAsked(context);
  const id = randomBytes(24).toString("base64url");
  const started = new Date(context.site.now());
  const upload: Upload = {
    id,
    key: context.key,
    started,
    headers: keptHeaders(context),
    parts: new Map(),
    ...(checksum ? { checksum } : {}),
  };
  bucket.uploads.set(id, upload);
  return {
    ...xmlReply("InitiateMultipartUploadResult", { Bucket: bucket.name, Key: context.key, UploadId: id }),
    headers: checksum
      ? { "x-amz-checksum-algorithm": checksum.name.toUpperCase(), "x-amz-checksum-type": checksum.type }
      : {},
  };
};

export const uploadPart: Handler = (context): Reply => {
  const { body, site } = context;
  const upload = uploadOf(context);
  const number = countOf(context, "partNumber", 0);
  if (number < 1 || number > 10_000) {
    throw new S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", {
      ArgumentName: "partNumber",
    });
  }
  if (upload.checksum && body.checksum && body.checksum.name !== upload.checksum.name) {
    throw new S3Error(
      "InvalidRequest",
      `Checksum Type mismatch occurred, expected checksum Type: ${upload.checksum.name}, actual checksum Type: ${body.checksum.name}`,
    );
  }
  const etag = site.rules.etag(body.md5);
  upload.parts.get(number)?.content.release();
  upload.parts.set(number, {
    number,
    md5: etag,
    content: body.content.share(),
    modified: new Date(site.now()),
    checksums: body.computed,
  });
  return { status: 200, headers: { etag: `"${etag}"`, ...checksumHeaders(body.checksum) } };
};

export const abortMultipartUpload: Handler = (context): Reply => {
  discard(bucketOf(context), uploadOf(context));
  return { status: 204 };
};

/** The digest to compute of a part, whatever its sender gives: that of its upload. */
export function digestWanted(
  uploads: ReadonlyMap<string, Upload> | undefined,
  id: string | undefined,
): ChecksumName | undefined {
  return id === undefined ? undefined : uploads?.get(id)?.checksum?.name;
}
