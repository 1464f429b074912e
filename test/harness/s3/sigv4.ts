import { createHash, createHmac } from "node:crypto";

/** Signature Version 4 as arithmetic: nothing here knows of HTTP servers, clocks or keys' owners. */

export const algorithm = "AWS4-HMAC-SHA256";
const emptyHash = sha256Hex("");

export function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: Uint8Array | string, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

/** Where and when a signature is valid: `20130524/us-east-1/s3/aws4_request`. */
export interface Scope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export function scopeText({ date, region, service }: Scope): string {
  return `${date}/${region}/${service}/aws4_request`;
}

export function signingKey(secret: string, { date, region, service }: Scope): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), "aws4_request");
}

/** Percent-encoding as AWS wants it: all but unreserved characters. */
export function encodeName(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`);
}

export interface CanonicalRequest {
  readonly method: string;
  /** The path as sent. S3 encodes it once, unlike other services. */
  readonly path: string;
  readonly query: readonly (readonly [name: string, value: string])[];
  /** In the order of SignedHeaders. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly payload: string;
}

const byOrder = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0);

export function canonicalText({ method, path, query, headers, payload }: CanonicalRequest): string {
  const pairs = query
    .map(([name, value]) => [encodeName(name), encodeName(value)] as const)
    .toSorted((left, right) => byOrder(left[0], right[0]) || byOrder(left[1], right[1]));
  return [
    method,
    path
      .split("/")
      .map((part) => encodeName(decodeURIComponent(part)))
      .join("/"),
    pairs.map((pair) => pair.join("=")).join("&"),
    ...headers.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, " ")}`),
    "",
    headers.map(([name]) => name).join(";"),
    payload,
  ].join("\n");
}

export function requestSignature(key: Uint8Array, timestamp: string, scope: string, request: CanonicalRequest): string {
  return hmac(key, [algorithm, timestamp, scope, sha256Hex(canonicalText(request))].join("\n")).toString("hex");
}

/** What the signatures of an aws-chunked body are chained from: the request's own signature comes first. */
export interface ChunkSigning {
  readonly key: Uint8Array;
  readonly timestamp: string;
  readonly scope: string;
  readonly seed: string;
}

export function chunkSignature(signing: ChunkSigning, previous: string, dataHash: string): string {
  const { key, timestamp, scope } = signing;
  return hmac(key, [`${algorithm}-PAYLOAD`, timestamp, scope, previous, emptyHash, dataHash].join("\n")).toString(
    "hex",
  );
}

export function trailerSignature(
  signing: ChunkSigning,
  previous: string,
  trailers: readonly (readonly [name: string, value: string])[],
): string {
  const { key, timestamp, scope } = signing;
  const text = trailers
    .toSorted((left, right) => byOrder(left[0], right[0]))
    .map(([name, value]) => `${name}:${value}\n`)
    .join("");
  return hmac(key, [`${algorithm}-TRAILER`, timestamp, scope, previous, sha256Hex(text)].join("\n")).toString("hex");
}
