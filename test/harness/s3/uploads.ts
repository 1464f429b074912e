import { bucketOf, countOf, type Handler, type Reply, uploadOf, xmlReply } from "./context.ts";
import { namer } from "./listing.ts";
import { byBytes } from "./state.ts";

export const listParts: Handler = (context): Reply => {
  const upload = uploadOf(context);
  const marker = countOf(context, "part-number-marker", 0);
  const size = Math.min(1000, countOf(context, "max-parts", 1000));
  const rest = [...upload.parts.values()]
    .filter(({ number }) => number > marker)
    .toSorted((left, right) => left.number - right.number);
  const page = rest.slice(0, size);
  const more = rest.length > page.length;
  return xmlReply("ListPartsResult", {
    Bucket: context.bucketName,
    Key: upload.key,
    UploadId: upload.id,
    PartNumberMarker: marker,
    NextPartNumberMarker: more ? page.at(-1)?.number : undefined,
    MaxParts: size,
    IsTruncated: more,
    StorageClass: "STANDARD",
    Part: page.map(({ number, md5, content, modified, checksums }) => ({
      PartNumber: number,
      LastModified: modified.toISOString(),
      ETag: `"${md5}"`,
      Size: content.size,
      ...Object.fromEntries([...checksums].map(([name, value]) => [`Checksum${name.toUpperCase()}`, value])),
    })),
  });
};

export const listMultipartUploads: Handler = (context): Reply => {
  const bucket = bucketOf(context);
  const prefix = context.query("prefix") ?? "";
  const keyMarker = context.query("key-marker") ?? "";
  const idMarker = context.query("upload-id-marker") ?? "";
  const size = Math.min(1000, countOf(context, "max-uploads", 1000));
  const write = namer(context.query("encoding-type"));
  const rest = [...bucket.uploads.values()]
    .toSorted((left, right) => byBytes(left.key, right.key) || byBytes(left.id, right.id))
    .filter(({ key, id }) => {
      const order = byBytes(key, keyMarker);
      return key.startsWith(prefix) && (order > 0 || (order === 0 && idMarker !== "" && byBytes(id, idMarker) > 0));
    });
  const page = rest.slice(0, size);
  const more = rest.length > page.length;
  return xmlReply("ListMultipartUploadsResult", {
    Bucket: bucket.name,
    KeyMarker: write(keyMarker),
    UploadIdMarker: idMarker,
    NextKeyMarker: more ? write(page.at(-1)?.key ?? "") : undefined,
    NextUploadIdMarker: more ? page.at(-1)?.id : undefined,
    Prefix: write(prefix),
    MaxUploads: size,
    EncodingType: context.query("encoding-type"),
    IsTruncated: more,
    Upload: page.map(({ key, id, started }) => ({
      Key: write(key),
      UploadId: id,
      Initiated: started.toISOString(),
      StorageClass: "STANDARD",
    })),
  });
};
