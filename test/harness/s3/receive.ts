import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type Caller, textHeader } from "./authenticate.ts";
import { type Checksum, type ChecksumName, checksumNames, type Digest, looksLike, makeDigest } from "./checksums.ts";
import { dechunk } from "./chunked.ts";
import { type Content, ContentSink, type ContentSinkOptions } from "./content.ts";
import { S3Error } from "./errors.ts";
import type { Rules } from "./rules.ts";

/** A whole body, verified against everything its request said about it. Its content belongs to who received it. */
export interface Received {
  readonly content: Content;
  readonly md5: string;
  /** What the client gave and was right about. */
  readonly checksum?: Checksum;
  /** Digests that nobody gave but the receiver asked for. */
  readonly computed: ReadonlyMap<ChecksumName, string>;
}

export interface ReceiveOptions extends ContentSinkOptions {
  readonly rules: Rules;
  /** A digest to compute also when the client gives none. */
  readonly want?: ChecksumName;
}

interface Declared {
  readonly chunked: boolean;
  readonly signed: boolean;
  /** Decoded bytes that must come. */
  readonly length: number;
  readonly announced: readonly string[];
}

function declared(request: IncomingMessage, caller: Caller): Declared {
  const { headers } = request;
  const { payload } = caller;
  const chunked = payload.startsWith("STREAMING-");
  if (chunked && !/^STREAMING-(UNSIGNED-PAYLOAD-TRAILER|AWS4-HMAC-SHA256-PAYLOAD(-TRAILER)?)$/.test(payload)) {
    throw new S3Error("NotImplemented", "This form of x-amz-content-sha256 is not implemented", { Payload: payload });
  }
  if (!chunked && payload !== "UNSIGNED-PAYLOAD" && !/^[\da-f]{64}$/.test(payload)) {
    throw new S3Error(
      "InvalidArgument",
      "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-*, or a valid sha256 value.",
    );
  }
  const length = chunked ? textHeader(headers, "x-amz-decoded-content-length") : headers["content-length"];
  const writes = request.method === "PUT" || request.method === "POST";
  const bodiless = request.method === "POST" && length === undefined && headers["transfer-encoding"] === undefined;
  if (writes && !chunked && headers["transfer-encoding"] !== undefined) {
    throw new S3Error("NotImplemented", "A header you provided implies functionality that is not implemented", {
      Header: "Transfer-Encoding",
    });
  }
  if (writes && length === undefined && !bodiless) {
    throw new S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  const announced = (textHeader(headers, "x-amz-trailer") ?? "")
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  return {
    chunked,
    signed: payload.startsWith("STREAMING-AWS4"),
    length: Number(length ?? 0),
    announced: payload.endsWith("-TRAILER") ? announced.filter(Boolean) : [],
  };
}

const isChecksum = (name: string) => checksumNames.some((known) => name === `x-amz-checksum-${known}`);

/** The one checksum that a request names, in a header or in a trailer still to come. */
function namedChecksum(headers: IncomingMessage["headers"], announced: readonly string[]): ChecksumName | undefined {
  const names = [...Object.keys(headers), ...announced].filter(
    (name) => isChecksum(name) || /^x-amz-checksum-(md5|sha512|xxhash)/.test(name),
  );
  if (names.length > 1)
    throw new S3Error(
      "InvalidRequest",
      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    );
  const [name] = names;
  if (name === undefined) {
    if (headers["x-amz-sdk-checksum-algorithm"] === undefined) return undefined;
    throw new S3Error(
      "InvalidRequest",
      "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
    );
  }
  if (!isChecksum(name)) throw new S3Error("NotImplemented", "This checksum is not implemented", { Header: name });
  return name.slice("x-amz-checksum-".length) as ChecksumName;
}

/** Takes a request's body to its end. Throws, and keeps nothing, when one byte is not as the request says. */
export async function receive(request: IncomingMessage, caller: Caller, options: ReceiveOptions): Promise<Received> {
  const { headers } = request;
  const says = declared(request, caller);
  const named = namedChecksum(headers, says.announced);
  const trailers = new Map<string, string>();
  const digests = new Map<ChecksumName, Digest>();
  // Of a completed upload the checksum is the object's, not that of this body.
  const ofObject = request.method === "POST" && /[?&]uploadId=/.test(request.url ?? "");
  for (const name of new Set([named, options.want])) if (name && !ofObject) digests.set(name, makeDigest(name));
  const md5 = createHash("md5");
  const sha256 = /^[\da-f]{64}$/.test(caller.payload) ? createHash("sha256") : undefined;
  const sink = new ContentSink(options);
  let size = 0;
  try {
    // A refusal is answered on the same connection, so the rest of the body must still find a reader.
    const raw: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
    const body: AsyncIterable<Buffer> = says.chunked
      ? dechunk(raw, {
          trailers,
          announced: says.announced,
          sameSignature: options.rules.sameSignature,
          ...(says.signed ? { signing: caller.signing } : {}),
        })
      : raw;
    for await (const piece of body) {
      size += piece.length;
      md5.update(piece);
      sha256?.update(piece);
      for (const digest of digests.values()) digest.update(piece);
      await sink.write(piece);
    }
    if (says.chunked && size !== says.length) {
      throw new S3Error(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
      );
    }
    const md5Bytes = md5.digest();
    if (sha256 && !options.rules.sameDigest(sha256.digest("hex"), caller.payload)) {
      throw new S3Error(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
      );
    }
    verifyMd5(textHeader(headers, "content-md5"), md5Bytes.toString("base64"), options.rules);
    const computed = new Map([...digests].map(([name, digest]) => [name, digest.digest().toString("base64")]));
    const checksum = ofObject ? undefined : verifyChecksum(named, headers, trailers, computed, options.rules);
    const content = await sink.finish();
    return { content, md5: md5Bytes.toString("hex"), computed, ...(checksum ? { checksum } : {}) };
  } catch (error) {
    sink.abandon();
    throw error;
  }
}

function verifyMd5(given: string | undefined, actual: string, rules: Rules): void {
  if (given === undefined) return;
  if (Buffer.from(given, "base64").length !== 16)
    throw new S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.");
  if (!rules.sameDigest(actual, given))
    throw new S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.");
}

function verifyChecksum(
  name: ChecksumName | undefined,
  headers: IncomingMessage["headers"],
  trailers: ReadonlyMap<string, string>,
  computed: ReadonlyMap<ChecksumName, string>,
  rules: Rules,
): Checksum | undefined {
  if (name === undefined) return undefined;
  const header = `x-amz-checksum-${name}`;
  const value = textHeader(headers, header) ?? trailers.get(header) ?? "";
  if (!looksLike(name, value)) throw new S3Error("InvalidRequest", `Value for ${header} header is invalid.`);
  if (!rules.sameDigest(computed.get(name) ?? "", value)) {
    throw new S3Error("BadDigest", `The ${name.toUpperCase()} you specified did not match the calculated checksum.`);
  }
  return { name, value, type: "FULL_OBJECT" };
}
