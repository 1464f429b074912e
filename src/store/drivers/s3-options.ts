/** What is asked of a store in S3. */
import { longestKey } from "../../keys.ts";
import { resolveBoolean, show } from "../../options.ts";
import type { Clock } from "../../ports/clock.ts";
import { leastPartBytes } from "./s3-parts.ts";

export interface S3Identity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

/** Credentials, or what gets them: called again when they have expired. */
export type S3Credentials = S3Identity | (() => Promise<S3Identity>);

export interface S3Options {
  readonly bucket: string;
  /** What all keys begin with in the bucket, followed by a slash. Default: nothing. */
  readonly prefix?: string | undefined;
  readonly clock: Clock;
  /** Default: as the SDK finds it; us-east-1 where there is an endpoint. */
  readonly region?: string | undefined;
  /** Address of a server that is not AWS. */
  readonly endpoint?: string | undefined;
  /** Bucket in the path instead of the host name. Default: true with `endpoint`. */
  readonly forcePathStyle?: boolean | undefined;
  /** Default: the SDK's own search. */
  readonly credentials?: S3Credentials | undefined;
  /**
   * How long an answer may take, and each further piece of a body, in milliseconds. Bodies have a second more for each 256 KiB. Default:
   * 10000.
   */
  readonly requestTimeoutMs?: number | undefined;
  /** Larger bodies are sent in parts of this size, which grow when there are very many; at least 5 MiB. Default: 8 MiB. */
  readonly partBytes?: number | undefined;
  /** Objects of one answer of `list`, up to 1000. Default: 1000. */
  readonly page?: number | undefined;
}

/** S3 has keys of 1024 bytes. */
const longestPrefix = 1_024 - longestKey;

export interface ResolvedS3 {
  readonly bucket: string;
  /** What all keys begin with in the bucket. */
  readonly root: string;
  /** Names the store in messages. */
  readonly name: string;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  readonly partBytes: number;
  readonly page: number;
}

/** @throws TypeError for what makes no sense. */
export function resolve(options: S3Options): ResolvedS3 {
  const { bucket, clock, region, endpoint, forcePathStyle, requestTimeoutMs = 10_000, page = 1_000 } = options;
  if (region !== undefined && (typeof region !== "string" || region === ""))
    throw new TypeError(`Cannot use ${show(region)} as region: a name such as "eu-central-1" is wanted`);
  // It may hold a password.
  if (endpoint !== undefined && !(/^https?:/i.test(endpoint) && URL.canParse(endpoint)))
    throw new TypeError('Cannot use the endpoint: it is no URL of http: or https:; "https://host" is wanted');
  if (forcePathStyle !== undefined) resolveBoolean(forcePathStyle, "forcePathStyle");
  const prefix = (options.prefix ?? "").replace(/^\/+|\/+$/g, "");
  const root = prefix && `${prefix}/`;
  const prefixBytes = Buffer.byteLength(root);
  if (prefixBytes > longestPrefix)
    throw new TypeError(
      `Cannot use prefix ${show(prefix)}: it has ${prefixBytes - 1} bytes; at most ${longestPrefix - 1} leave room for keys`,
    );
  const server = endpoint === undefined ? "" : ` at ${new URL(endpoint).host}`;
  const partBytes = Math.max(leastPartBytes, options.partBytes ?? 8 * 2 ** 20);
  return {
    bucket,
    root,
    name: `s3://${bucket}${prefix && `/${prefix}`}${server}`,
    clock,
    requestTimeoutMs,
    partBytes,
    page,
  };
}
