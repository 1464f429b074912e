import { bucketOf, countOf, type Handler, type Reply, xmlReply } from "./context.ts";
import { S3Error } from "./errors.ts";
import { encodeName } from "./sigv4.ts";
import { byBytes, type StoredObject } from "./state.ts";

/** One line of a list: an object, or all keys up to the next delimiter. */
type Entry = { readonly object: StoredObject } | { readonly prefix: string };

/** Where an entry stands in the order, and what the next page starts after. */
const nameOf = (entry: Entry) => ("object" in entry ? entry.object.key : entry.prefix);

function entriesOf(objects: Iterable<StoredObject>, prefix: string, delimiter: string): Entry[] {
  const seen = new Set<string>();
  const entries: Entry[] = [];
  for (const object of [...objects].toSorted((left, right) => byBytes(left.key, right.key))) {
    if (!object.key.startsWith(prefix)) continue;
    const end = delimiter === "" ? -1 : object.key.indexOf(delimiter, prefix.length);
    if (end < 0) entries.push({ object });
    else {
      const common = object.key.slice(0, end + delimiter.length);
      if (!seen.has(common)) entries.push({ prefix: common });
      seen.add(common);
    }
  }
  return entries;
}

const encodeToken = (name: string) => Buffer.from(`1${name}`).toString("base64url");

function decodeToken(token: string): string {
  const text = Buffer.from(token, "base64url").toString("utf8");
  if (!text.startsWith("1"))
    throw new S3Error("InvalidArgument", "The continuation token provided is incorrect", {
      ArgumentName: "continuation-token",
    });
  return text.slice(1);
}

/** How names are written in the answer: as they are, or percent-encoded because XML cannot hold every character. */
export function namer(encoding: string | undefined): (name: string) => string {
  if (encoding !== undefined && encoding !== "url") {
    throw new S3Error("InvalidArgument", "Invalid Encoding Method specified in Request", {
      ArgumentName: "encoding-type",
    });
  }
  return (name) => (encoding === "url" ? encodeName(name).replaceAll("%2F", "/") : name);
}

export const listObjectsV2: Handler = (context): Reply => {
  const { query, site } = context;
  if (query("list-type") !== "2") throw new S3Error("NotImplemented", "Only list-type=2 is implemented");
  const bucket = bucketOf(context);
  const prefix = query("prefix") ?? "";
  const delimiter = query("delimiter") ?? "";
  const startAfter = query("start-after");
  const token = query("continuation-token");
  const asked = countOf(context, "max-keys", 1000);
  const write = namer(query("encoding-type"));
  const after = token === undefined ? (startAfter ?? "") : decodeToken(token);
  // A token may stand for a whole common prefix; `start-after` within one still shows it.
  const rest = entriesOf(bucket.objects.values(), prefix, delimiter).filter((entry) => {
    if (after === "" || byBytes(nameOf(entry), after) > 0) return true;
    return token === undefined && "prefix" in entry && after.startsWith(entry.prefix) && after !== entry.prefix;
  });
  const page = rest.slice(0, site.rules.pageSize(asked));
  const last = page.at(-1);
  const more = rest.length > page.length && last !== undefined;
  return xmlReply("ListBucketResult", {
    Name: bucket.name,
    Prefix: write(prefix),
    Delimiter: delimiter === "" ? undefined : write(delimiter),
    StartAfter: startAfter === undefined ? undefined : write(startAfter),
    ContinuationToken: token,
    NextContinuationToken: more ? encodeToken(nameOf(last)) : undefined,
    KeyCount: page.length,
    MaxKeys: Math.min(asked, 1000),
    EncodingType: query("encoding-type"),
    IsTruncated: more,
    Contents: page.flatMap((entry) =>
      "object" in entry
        ? {
            Key: write(entry.object.key),
            LastModified: entry.object.modified.toISOString(),
            ETag: `"${entry.object.etag}"`,
            ChecksumAlgorithm: entry.object.checksum?.name.toUpperCase(),
            ChecksumType: entry.object.checksum?.type,
            Size: entry.object.content.size,
            StorageClass: "STANDARD",
          }
        : [],
    ),
    CommonPrefixes: page.flatMap((entry) => ("prefix" in entry ? { Prefix: write(entry.prefix) } : [])),
  });
};
