/**
 * What a new machine is told to do: one bash script that arms the machine's power-off before anything else, and then
 * fetches, verifies and starts a release. The script is `runners/boot/user-data.sh`, the program in it
 * `runners/boot/boot.py`.
 */
import { readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { refuseUnknown, resolveBoolean, show } from "../../options.ts";

export interface UserDataOptions {
  /** AWS region of the bucket: `eu-central-1`. */
  readonly region: string;
  /** Of an S3-compatible server, addressed in path style: `http://10.0.0.5:9000`. @default AWS, in the region */
  readonly endpoint?: string;
  readonly bucket: string;
  /** Before all keys of releases, with its slash: `tinderbox/`. @default "" */
  readonly prefix?: string;
  /** SHA-256 of the release's manifest, which is its name: 64 hex digits. */
  readonly release: string;
  /** Where the parent listens, `host:port`, tried in this order. Empty when the parent dials. */
  readonly addresses: readonly string[];
  /** SHA-256 of the parent's certificate: 64 hex digits. */
  readonly fingerprint: string;
  /** 32 random bytes in base64url. The one secret in here. */
  readonly ticket: string;
  /** Where the machine listens when the parent dials. @default it does not */
  readonly listen?: number;
  /** Milliseconds after which the machine turns itself off, whatever happens. */
  readonly lifetimeMs: number;
  /** Milliseconds from the start of the user data in which the parent has to be heard for the first time. */
  readonly noParentMs: number;
  /** Milliseconds without the parent, after it was heard, after which the machine turns itself off. */
  readonly parentLostMs: number;
  /** Whether user code may reach the metadata service, and so the role's credentials and this text. @default false */
  readonly allowMetadata?: boolean;
  /** Leaves the machine on, until its lifetime is over, when its boot fails or its process ends. @default false */
  readonly keepForDebug?: boolean;
  /** Unprivileged user that runs the machine process. @default "tinderbox" */
  readonly user?: string;
}

/** EC2 takes no more, counted before base64. */
const mostBytes = 16_384;

const known: Record<keyof UserDataOptions, true> = {
  region: true,
  endpoint: true,
  bucket: true,
  prefix: true,
  release: true,
  addresses: true,
  fingerprint: true,
  ticket: true,
  listen: true,
  lifetimeMs: true,
  noParentMs: true,
  parentLostMs: true,
  allowMetadata: true,
  keepForDebug: true,
  user: true,
};

/**
 * The user data of one launch: plain text below 16 KB that begins with `#!`, not yet in base64. The same options give
 * the same text. Throws `TypeError` for an option that is not as described, `RangeError` when the text gets too long.
 *
 * @example
 * const text = renderUserData({
 *   region: "eu-central-1", bucket: "releases", release: id, addresses: ["10.0.0.5:41234"], fingerprint, ticket,
 *   lifetimeMs: 3_600_000, noParentMs: 120_000, parentLostMs: 60_000,
 * });
 */
export function renderUserData(options: UserDataOptions): string {
  refuseUnknown(options, Object.keys(known), "renderUserData()");
  const { listen = null, addresses } = options;
  if (!Array.isArray(addresses) || (addresses.length === 0 && listen === null)) {
    throw new TypeError(
      `Cannot use ${show(addresses)} as addresses: at least one is wanted where the machine does not listen`,
    );
  }
  if (listen !== null && !(Number.isInteger(listen) && listen > 0 && listen < 65_536)) {
    throw new TypeError(`Cannot use ${show(listen)} as listen: a port from 1 to 65535 is wanted`);
  }
  const keep = resolveBoolean(options.keepForDebug ?? false, "keepForDebug");
  const parameters = {
    region: word(options.region, "region", /^[a-z]{2}[a-z0-9-]{1,40}$/, "eu-central-1"),
    endpoint:
      options.endpoint === undefined
        ? null
        : word(options.endpoint, "endpoint", /^https?:\/\/[\w.:[\]-]{1,255}(\/[\w./~-]*)?$/, "http://10.0.0.5:9000"),
    bucket: word(options.bucket, "bucket", /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "my-bucket"),
    prefix: word(options.prefix ?? "", "prefix", /^\P{Cc}{0,512}$/u, "tinderbox/"),
    release: word(options.release, "release", /^[0-9a-f]{64}$/, "64 hex digits"),
    addresses: addresses.map((one) =>
      word(one, "an address", /^(\[[\da-f:.%\w]+\]|[\w.-]{1,253}):\d{1,5}$/i, "10.0.0.5:41234"),
    ),
    fingerprint: word(options.fingerprint, "fingerprint", /^[0-9a-f]{64}$/, "64 hex digits"),
    ticket: secret(options.ticket),
    listen,
    allowMetadata: resolveBoolean(options.allowMetadata ?? false, "allowMetadata"),
    keep,
    user: word(options.user ?? "tinderbox", "user", /^[a-z_][a-z0-9_-]{0,30}$/, "tinderbox"),
  };
  const values: Record<string, string> = {
    KEEP: keep ? "1" : "0",
    LIFETIME: seconds(options.lifetimeMs, "lifetimeMs"),
    NO_PARENT: seconds(options.noParentMs, "noParentMs"),
    PARENT_LOST: seconds(options.parentLostMs, "parentLostMs"),
    PARAMETERS: ascii(JSON.stringify(parameters)),
    PROGRAM: lines(base85(deflateSync(squeeze(source("boot.py")), { level: 9 }))),
  };
  const text = withoutComments(source("user-data.sh")).replace(/@([A-Z_]+)@/g, (whole, name: string) => {
    return values[name] ?? whole;
  });
  if (text.length >= mostBytes) {
    throw new RangeError(
      `Cannot render user data: it has ${text.length} bytes, less than ${mostBytes} are wanted; use a shorter prefix, endpoint or list of addresses`,
    );
  }
  return text;
}

function word(value: unknown, option: string, pattern: RegExp, example: string): string {
  if (typeof value === "string" && pattern.test(value)) return value;
  throw new TypeError(`Cannot use ${show(value)} as ${option}: something like ${example} is wanted`);
}

/** As `word`, but never shows what it was given. */
function secret(ticket: unknown): string {
  if (typeof ticket === "string" && /^[\w-]{43}$/.test(ticket)) return ticket;
  throw new TypeError("Cannot use the ticket: 32 bytes in base64url are wanted");
}

/** Whole seconds, which is what a shell can sleep; rounded up. Some 30 years at most. */
function seconds(ms: unknown, option: string): string {
  if (typeof ms === "number" && ms > 0 && ms <= 1e12) return String(Math.ceil(ms / 1_000));
  throw new TypeError(`Cannot use ${show(ms)} as ${option}: a finite number of milliseconds above 0 is wanted`);
}

const source = (name: string): string =>
  readFileSync(new URL(`../../../runners/boot/${name}`, import.meta.url), "utf8");

/** Lengths then count bytes. */
const ascii = (json: string): string =>
  json.replace(/[^\x20-\x7e]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);

const withoutComments = (script: string): string => script.replace(/^( *#[^!].*)?\n/gm, "");

/** A Python program without comments and docstrings, indented by one space a level. See the header of boot.py. */
export function squeeze(program: string): string {
  return program
    .replace(/^ *"""[^]*?"""$/gm, "")
    .replace(/^ *#.*$/gm, "")
    .replace(/^(?: {4})+/gm, (indent) => " ".repeat(indent.length / 4))
    .replace(/\n{2,}/g, "\n");
}

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/** As Python's `base64.b85encode`: a sixteenth shorter than base64. */
export function base85(bytes: Uint8Array): string {
  const padding = (4 - (bytes.length % 4)) % 4;
  const padded = Buffer.concat([bytes, Buffer.alloc(padding)]);
  let text = "";
  for (let at = 0; at < padded.length; at += 4) {
    let number = padded.readUInt32BE(at);
    let group = "";
    for (let place = 0; place < 5; place++) {
      group = digits[number % 85]! + group;
      number = Math.floor(number / 85);
    }
    text += group;
  }
  return padding === 0 ? text : text.slice(0, -padding);
}

const lines = (text: string): string => text.replace(/.{120}(?!$)/g, "$&\n");
