import { createHash } from "node:crypto";
import { type Checksum, checksumNames, digestOf, makeDigest } from "./checksums.ts";
import { bare, writeCondition } from "./conditions.ts";
import { Content } from "./content.ts";
import { bucketOf, documentOf, type Handler, header, type Reply, uploadOf, xmlReply } from "./context.ts";
import { S3Error } from "./errors.ts";
import { discard, place, type StoredPart, type Upload } from "./state.ts";
import { textOf, type XmlNode } from "./xml.ts";

const minPartBytes = 5 * 2 ** 20;

/** The parts that a Complete lists: in order, each as it was uploaded, and none too small. Found out in that order. */
function partsListed(upload: Upload, nodes: readonly XmlNode[]): StoredPart[] {
  if (nodes.length === 0) {
    throw new S3Error(
      "MalformedXML",
      "The XML you provided was not well-formed or did not validate against our published schema",
    );
  }
  const numbers = nodes.map((node) => Number(textOf(node, "PartNumber")));
  if (numbers.some((number, index) => index > 0 && number <= (numbers[index - 1] ?? 0))) {
    throw new S3Error(
      "InvalidPartOrder",
      "The list of parts was not in ascending order. Parts must be ordered by part number.",
      { UploadId: upload.id },
    );
  }
  const parts = nodes.map((node) => partListed(upload, node));
  const small = parts.slice(0, -1).find(({ content }) => content.size < minPartBytes);
  if (!small) return parts;
  throw new S3Error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", {
    ProposedSize: small.content.size,
    MinSizeAllowed: minPartBytes,
    PartNumber: small.number,
  });
}

function partListed(upload: Upload, node: XmlNode): StoredPart {
  const number = Number(textOf(node, "PartNumber"));
  const part = upload.parts.get(number);
  const given = checksumNames.map((name) => [name, textOf(node, `Checksum${name.toUpperCase()}`)] as const);
  const wrong = given.some(([name, value]) => value !== undefined && value !== part?.checksums.get(name));
  if (!part || part.md5 !== bare(textOf(node, "ETag") ?? "") || wrong) {
    throw new S3Error(
      "InvalidPart",
      "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
      { UploadId: upload.id, PartNumber: number },
    );
  }
  requireChecksum(
    upload,
    number,
    given.some(([name, value]) => name === upload.checksum?.name && value !== undefined),
  );
  return part;
}

/** AWS wants the parts' checksums repeated when the whole is made of them. */
function requireChecksum({ checksum }: Upload, number: number, given: boolean): void {
  if (checksum?.type !== "COMPOSITE" || given) return;
  throw new S3Error(
    "InvalidRequest",
    `The upload was created using a ${checksum.name} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
  );
}

async function checksumOf(
  upload: Upload,
  parts: readonly StoredPart[],
  content: Content,
): Promise<Checksum | undefined> {
  if (!upload.checksum) return undefined;
  const { name, type } = upload.checksum;
  if (type === "COMPOSITE") {
    const digests = parts.map(({ checksums }) => Buffer.from(checksums.get(name) ?? "", "base64"));
    return { name, type, value: `${digestOf(name, ...digests).toString("base64")}-${parts.length}` };
  }
  const digest = makeDigest(name);
  for await (const piece of content.read()) digest.update(piece);
  return { name, type, value: digest.digest().toString("base64") };
}

export const completeMultipartUpload: Handler = async (context): Promise<Reply> => {
  const { site, key } = context;
  const bucket = bucketOf(context);
  const condition = writeCondition(context);
  const root = await documentOf(context, "CompleteMultipartUpload");
  const upload = uploadOf(context, bucket);
  const parts = partsListed(
    upload,
    root.children.filter(({ name }) => name === "Part"),
  );
  const content = Content.join(parts.map((part) => part.content));
  try {
    const checksum = await checksumOf(upload, parts, content);
    const given = checksum && header(context, `x-amz-checksum-${checksum.name}`);
    if (
      given !== undefined &&
      !site.rules.sameDigest(checksum?.value.replace(/-\d+$/, "") ?? "", given.replace(/-\d+$/, ""))
    ) {
      throw new S3Error("BadDigest", "The checksum you specified did not match the calculated checksum.");
    }
    const md5 = createHash("md5")
      .update(Buffer.concat(parts.map((part) => Buffer.from(part.md5, "hex"))))
      .digest("hex");
    const etag = `${site.rules.etag(md5)}-${parts.length}`;
    await site.rules.settle(
      () => condition((uploadOf(context, bucket), bucket.objects.get(key))),
      () => {
        place(bucket, {
          key,
          etag,
          content,
          headers: upload.headers,
          modified: new Date(site.now()),
          ...(checksum ? { checksum } : {}),
        });
        discard(bucket, upload);
      },
    );
    return xmlReply("CompleteMultipartUploadResult", {
      Location: `/${bucket.name}/${key}`,
      Bucket: bucket.name,
      Key: key,
      ETag: `"${etag}"`,
      ...(checksum ? { [`Checksum${checksum.name.toUpperCase()}`]: checksum.value, ChecksumType: checksum.type } : {}),
    });
  } catch (error) {
    content.release();
    throw error;
  }
};
