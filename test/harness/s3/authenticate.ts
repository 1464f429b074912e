import type { IncomingHttpHeaders } from "node:http";
import { S3Error } from "./errors.ts";
import type { Rules } from "./rules.ts";
import {
  algorithm,
  type CanonicalRequest,
  canonicalText,
  type ChunkSigning,
  requestSignature,
  scopeText,
  signingKey,
} from "./sigv4.ts";
import type { Target } from "./target.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Makes them temporary: each request must bring it. */
  readonly sessionToken?: string;
  /** By the server's clock. */
  readonly expiration?: Date;
}

/** Who sent a request, and what its body has to be. */
export interface Caller {
  readonly accessKeyId: string;
  /** The value of x-amz-content-sha256: a digest, or how the body is framed. */
  readonly payload: string;
  readonly signing: ChunkSigning;
}

export interface AuthenticateOptions {
  readonly keys: ReadonlyMap<string, Credentials>;
  readonly region: string;
  readonly now: number;
  readonly rules: Rules;
}

interface Claim {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly timestamp: string;
  readonly token: string | undefined;
  readonly payload: string;
  readonly query: Target["query"];
}

const maxSkewMs = 15 * 60_000;

export function textHeader(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

function timeOf(timestamp: string): number {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(timestamp) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

const iso = (ms: number) => new Date(ms).toISOString().replace(/\.\d+/, "");

function claimOfHeader(headers: IncomingHttpHeaders, query: Target["query"], now: number): Claim {
  const text = headers.authorization ?? "";
  const part = (name: string) => new RegExp(`${name}=([^, ]+)`).exec(text)?.[1] ?? "";
  const timestamp = textHeader(headers, "x-amz-date") ?? "";
  if (!text.startsWith(`${algorithm} `)) {
    throw new S3Error(
      "InvalidRequest",
      "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    );
  }
  if (!(Math.abs(timeOf(timestamp) - now) <= maxSkewMs)) {
    throw new S3Error(
      "RequestTimeTooSkewed",
      "The difference between the request time and the current time is too large.",
      {
        RequestTime: timestamp,
        ServerTime: iso(now),
        MaxAllowedSkewMilliseconds: maxSkewMs,
      },
    );
  }
  const payload = textHeader(headers, "x-amz-content-sha256");
  if (payload === undefined) {
    throw new S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
  }
  const token = textHeader(headers, "x-amz-security-token");
  return {
    credential: part("Credential"),
    signedHeaders: part("SignedHeaders"),
    signature: part("Signature"),
    timestamp,
    token,
    payload,
    query,
  };
}

function claimOfQuery(headers: IncomingHttpHeaders, query: Target["query"], now: number): Claim {
  const get = (name: string) => query.find(([found]) => found.toLowerCase() === name)?.[1];
  const timestamp = get("x-amz-date") ?? "";
  const seconds = Number(get("x-amz-expires"));
  const malformed = (message: string) => new S3Error("AuthorizationQueryParametersError", message);
  if (get("x-amz-algorithm") !== algorithm) throw malformed(`X-Amz-Algorithm only supports "${algorithm}"`);
  if (!(seconds >= 1 && seconds <= 604_800)) throw malformed("X-Amz-Expires must be between 1 and 604800 seconds");
  const signedAt = timeOf(timestamp);
  if (Number.isNaN(signedAt)) throw malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
  if (signedAt - now > maxSkewMs)
    throw new S3Error("AccessDenied", "Request is not yet valid", { ServerTime: iso(now) });
  if (now > signedAt + seconds * 1000) {
    throw new S3Error("AccessDenied", "Request has expired", {
      "X-Amz-Expires": seconds,
      Expires: iso(signedAt + seconds * 1000),
      ServerTime: iso(now),
    });
  }
  return {
    credential: get("x-amz-credential") ?? "",
    signedHeaders: get("x-amz-signedheaders") ?? "",
    signature: get("x-amz-signature") ?? "",
    timestamp,
    token: get("x-amz-security-token"),
    payload: get("x-amz-content-sha256") ?? textHeader(headers, "x-amz-content-sha256") ?? "UNSIGNED-PAYLOAD",
    query: query.filter(([name]) => name.toLowerCase() !== "x-amz-signature"),
  };
}

/** Finds out who sent a request, or throws the answer that AWS gives. */
export function authenticate(
  method: string,
  target: Target,
  headers: IncomingHttpHeaders,
  options: AuthenticateOptions,
): Caller {
  const { keys, region, now, rules } = options;
  const presigned = target.query.some(([name]) => /^x-amz-(algorithm|signature)$/i.test(name));
  if (!presigned && headers.authorization === undefined) throw new S3Error("AccessDenied", "Access Denied");
  const claim = (presigned ? claimOfQuery : claimOfHeader)(headers, target.query, now);
  const [accessKeyId = "", date = "", scopeRegion = "", service = "", end] = claim.credential.split("/");
  const known = keys.get(accessKeyId);
  if (!known || (known.sessionToken !== undefined && claim.token === undefined)) {
    throw new S3Error("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", {
      AWSAccessKeyId: accessKeyId,
    });
  }
  if (claim.token !== known.sessionToken)
    throw new S3Error("InvalidToken", "The provided token is malformed or otherwise invalid.");
  if (known.expiration && known.expiration.getTime() <= now)
    throw new S3Error("ExpiredToken", "The provided token has expired.");
  if (end !== "aws4_request" || service !== "s3" || scopeRegion !== region || !claim.timestamp.startsWith(date)) {
    throw new S3Error(
      presigned ? "AuthorizationQueryParametersError" : "AuthorizationHeaderMalformed",
      `The authorization is malformed; the scope '${claim.credential}' is wrong; expecting '${region}'`,
      { Region: region },
    );
  }
  const signed = claim.signedHeaders.split(";");
  const unsigned = Object.keys(headers).filter((name) => name.startsWith("x-amz-") && !signed.includes(name));
  if (!signed.includes("host") || unsigned.length > 0) {
    throw new S3Error("AccessDenied", "There were headers present in the request which were not signed", {
      HeadersNotSigned: unsigned.join(", ") || "host",
    });
  }
  const request: CanonicalRequest = {
    method,
    path: target.path,
    query: claim.query,
    headers: signed.map((name) => [name, textHeader(headers, name) ?? ""] as const),
    payload: claim.payload,
  };
  const scope = { date, region: scopeRegion, service };
  const key = signingKey(known.secretAccessKey, scope);
  if (!rules.sameSignature(requestSignature(key, claim.timestamp, scopeText(scope), request), claim.signature)) {
    throw new S3Error(
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
      { AWSAccessKeyId: accessKeyId, SignatureProvided: claim.signature, CanonicalRequest: canonicalText(request) },
    );
  }
  const signing = { key, timestamp: claim.timestamp, scope: scopeText(scope), seed: claim.signature };
  return { accessKeyId, payload: claim.payload, signing };
}
