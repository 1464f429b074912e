import { S3Error } from "./errors.ts";

/** What a request line and its Host say: which bucket, which key, which query. Nothing is looked up yet. */
export interface Target {
  readonly bucket?: string;
  readonly key?: string;
  /** The path as sent, which is what was signed. */
  readonly path: string;
  readonly query: readonly (readonly [name: string, value: string])[];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error("InvalidURI", "Couldn't parse the specified URI.", { URI: text });
  }
}

/** `bucket.localhost:1234` names a bucket (virtual-hosted style), any other host leaves it to the path. */
function bucketOfHost(host: string): string | undefined {
  return /^(.+)\.localhost(?::\d+)?$/i.exec(host)?.[1];
}

export function parseTarget(url: string, host: string): Target {
  const mark = url.indexOf("?");
  const path = mark < 0 ? url : url.slice(0, mark);
  const text = mark < 0 ? "" : url.slice(mark + 1);
  const query = text
    .split("&")
    .filter(Boolean)
    .map((pair) => {
      const equals = pair.indexOf("=");
      return equals < 0
        ? ([decode(pair), ""] as const)
        : ([decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))] as const);
    });
  const hosted = bucketOfHost(host);
  const rest = path.replace(/^\//, "");
  const slash = rest.indexOf("/");
  const bucket = hosted ?? decode(slash < 0 ? rest : rest.slice(0, slash));
  const key = decode(hosted !== undefined ? rest : slash < 0 ? "" : rest.slice(slash + 1));
  if (Buffer.byteLength(key) > 1024) {
    throw new S3Error("KeyTooLongError", "Your key is too long", {
      Size: Buffer.byteLength(key),
      MaxSizeAllowed: 1024,
    });
  }
  return { path, query, ...(bucket === "" ? {} : { bucket }), ...(key === "" ? {} : { key }) };
}
