import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { type Credentials, textHeader } from "../../../s3/authenticate.ts";
import { algorithm, requestSignature, scopeText, signingKey } from "../../../s3/sigv4.ts";
import { Ec2Error } from "./errors.ts";

export interface AuthenticateOptions {
  readonly keys: ReadonlyMap<string, Credentials>;
  readonly region: string;
  readonly now: number;
  /** False lets every signature pass: for mutants only. */
  readonly signatures: boolean;
  /** False takes a body's digest as announced: for mutants only. */
  readonly digests: boolean;
}

export interface SignedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const maxSkewMs = 5 * 60_000;
/** One answer for all that is wrong with a key or signature, so that nobody learns which. */
const failure = () => new Ec2Error("AuthFailure", "AWS was not able to validate the provided access credentials");
const expired = () => new Ec2Error("RequestExpired", "Request has expired.");

function timeOf(timestamp: string): number {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(timestamp) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

/** Whose key a request names, before anybody has verified that. */
export function claimedKey(headers: IncomingHttpHeaders): string {
  return /Credential=([^/,\s]+)\//.exec(headers.authorization ?? "")?.[1] ?? "";
}

/** Verifies a request's signature (Version 4, in the header). Throws the answer that EC2 gives. */
export function authenticate(
  { method, path, query, headers, body }: SignedRequest,
  options: AuthenticateOptions,
): void {
  const { keys, region, now, signatures, digests } = options;
  const text = headers.authorization;
  if (text === undefined) throw new Ec2Error("MissingAuthenticationToken", "Request is missing Authentication Token");
  const part = (name: string) => new RegExp(`${name}=([^, ]+)`).exec(text)?.[1] ?? "";
  const timestamp = textHeader(headers, "x-amz-date") ?? "";
  const [accessKeyId = "", date = "", scopeRegion = "", service = "", end] = part("Credential").split("/");
  const credentials = keys.get(accessKeyId);
  if (!text.startsWith(`${algorithm} `) || !credentials) throw failure();
  if (textHeader(headers, "x-amz-security-token") !== credentials.sessionToken) throw failure();
  if (credentials.expiration && credentials.expiration.getTime() <= now) throw expired();
  if (!(Math.abs(timeOf(timestamp) - now) <= maxSkewMs)) throw expired();
  if (end !== "aws4_request" || !/^(ec2|sts)$/.test(service) || scopeRegion !== region || !timestamp.startsWith(date)) {
    throw failure();
  }
  const signed = part("SignedHeaders").split(";");
  if (!signed.includes("host") || !signed.includes("x-amz-date")) throw failure();
  const digest = createHash("sha256").update(body).digest("hex");
  const announced = textHeader(headers, "x-amz-content-sha256");
  if (digests && announced !== undefined && announced !== digest) throw failure();
  const scope = { date, region: scopeRegion, service };
  const expected = requestSignature(signingKey(credentials.secretAccessKey, scope), timestamp, scopeText(scope), {
    method,
    path,
    query: [...new URLSearchParams(query)],
    headers: signed.map((name) => [name, textHeader(headers, name) ?? ""] as const),
    payload: digests ? digest : (announced ?? digest),
  });
  const given = part("Signature");
  const same = given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
  if (signatures && !same) throw failure();
}
