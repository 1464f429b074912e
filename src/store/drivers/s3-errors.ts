/** What S3 and the way to it say, in our words. Nothing of what a server sends but its code gets into an error: answers repeat keys and signatures. */
import { StoreError } from "../../errors.ts";
import { formatDuration } from "../../duration.ts";
import type { Condition } from "../../ports/store.ts";
import type { Ending } from "./deadline.ts";

/** What was asked for. */
export interface Asked {
  readonly action: "read" | "write" | "remove" | "list";
  readonly key?: string | undefined;
  /** What the caller needs to be allowed. */
  readonly permission: string;
  /** True when it may have changed something once it was sent. */
  readonly writes: boolean;
}

export function askedToRead(key: string): Asked {
  // Without the second one a missing object looks like one that is forbidden.
  return { action: "read", key, permission: "s3:GetObject and s3:ListBucket", writes: false };
}

export function askedToWrite(key: string, condition: Condition | undefined): Asked {
  const permission = typeof condition === "object" ? "s3:PutObject and s3:GetObject" : "s3:PutObject";
  return { action: "write", key, permission, writes: true };
}

export interface Place {
  /** Name of the store. */
  readonly name: string;
  readonly bucket: string;
}

/** Answers that are no failures: a condition did not hold, there is nothing, it is the same still, it has no such bytes. */
export type Refusal = "condition" | "missing" | "unchanged" | "range";

interface Facts {
  readonly what: string;
  readonly todo: string;
  readonly transient: boolean;
  readonly maybe: boolean;
  readonly status?: number | undefined;
  readonly cause?: unknown;
}

const again = "try again later";
/** How many puzzling answers in a row may be chance. */
const patience = 3;

export function refusalOf(error: unknown): Refusal | undefined {
  const status = statusOf(error);
  if (status === 412) return "condition";
  if (status === 304) return "unchanged";
  if (status === 416) return "range";
  return status === 404 && /^(NoSuchKey|NotFound)$/.test(codeOf(error)) ? "missing" : undefined;
}

/** An answer that may be another one the next time, or never: our clock is wrong for the server, or it cannot be read. */
export function isPuzzling(error: unknown): boolean {
  return codeOf(error) === "RequestTimeTooSkewed" || isGarbled(error);
}

/** @param repeated How many puzzling answers there were in a row before this one. */
export function failureOf(error: unknown, asked: Asked, place: Place, repeated = 0): StoreError {
  const status = statusOf(error);
  const facts =
    status === undefined ? unanswered(error, asked, repeated) : answered(error, status, asked, place, repeated);
  return storeError({ ...facts, status }, asked, place);
}

/** For a request that was ended from here. `sent`: something may have left this process. */
export function endedBy(
  ending: Ending,
  sent: boolean,
  asked: Asked,
  place: Place,
  limitMs: number,
  reason: unknown,
): unknown {
  const maybe = asked.writes && sent;
  // Nothing was done: whoever aborts hears what he has said.
  if (ending === "aborted" && !maybe) return reason;
  const what =
    ending === "late"
      ? `the server did not answer within ${formatDuration(limitMs)}`
      : ending === "aborted"
        ? "it was aborted"
        : "the store was closed";
  const todo = ending === "late" ? again : ending === "closed" ? "open it again" : "read it before you try again";
  const cause = ending === "aborted" ? reason : undefined;
  return storeError({ what, todo, transient: ending === "late", maybe, cause }, asked, place);
}

export function storeError(facts: Facts, { action, key }: Asked, { name }: Place): StoreError {
  const { what, todo, transient, maybe, status, cause } = facts;
  const object = action === "list" || key === undefined ? name : `"${key}" of ${name}`;
  const doubt = maybe ? ` (it may have been done${action === "write" ? ", or may yet be" : ""})` : "";
  return new StoreError(`Cannot ${action} ${object}: ${what}${doubt}; ${todo}`, {
    store: name,
    key,
    transient,
    maybe,
    status,
    cause,
  });
}

function answered(error: unknown, status: number, asked: Asked, place: Place, repeated: number): Facts {
  const code = codeOf(error);
  const known = refusedAs(code, place, repeated);
  if (known) return known;
  const what = `the server answered ${status} ${code}`;
  if (status >= 300 && status < 400) return region(place);
  if (status === 401 || status === 403)
    return lasting(`access was denied (${status} ${code})`, `allow ${asked.permission}`);
  if (status === 501) return lasting(`${what}, for it cannot do that`, "use a server that speaks all of S3");
  const busy = status >= 500 || status === 429 || status === 408;
  if (busy) return { what, todo: again, transient: true, maybe: asked.writes };
  return isGarbled(error) ? unreadable(status, asked, repeated) : lasting(what, "look up what S3 says of this code");
}

/** By none of these anything was done. */
function refusedAs(code: string, place: Place, repeated: number): Facts | undefined {
  switch (code) {
    case "ConditionalRequestConflict":
    case "OperationAborted":
      return passing("another write to it is under way");
    case "RequestTimeout":
    case "IncompleteBody":
      return passing("the server did not receive all bytes in time");
    case "BadDigest":
    case "XAmzContentSHA256Mismatch":
      return passing("what the server received is not what was sent");
    case "RequestTimeTooSkewed":
      // The SDK has taken over the server's time by now: the next request tells whether that helps.
      return {
        ...lasting("the clock of this machine is too far from the server's", "set the clock"),
        transient: repeated < patience,
      };
    case "NoSuchBucket":
      return lasting(`there is no bucket "${place.bucket}"`, "create it, or correct the address of the store");
    case "InvalidAccessKeyId":
    case "SignatureDoesNotMatch":
    case "InvalidToken":
      return lasting(`the server refuses the credentials (${code})`, "correct them");
    case "ExpiredToken":
    case "RequestExpired":
      return lasting(`the credentials have expired (${code})`, "renew them");
    case "PermanentRedirect":
    case "AuthorizationHeaderMalformed":
      return region(place);
    default:
      return undefined;
  }
}

/** There was no answer, or none that could be read. */
function unanswered(error: unknown, asked: Asked, repeated: number): Facts {
  const code = systemCodeOf(error);
  if (isGarbled(error)) return unreadable(undefined, asked, repeated);
  if (nameOf(error) === "CredentialsProviderError" || nameOf(error) === "TokenProviderError")
    return lasting("there are no credentials", "set AWS_ACCESS_KEY_ID, AWS_PROFILE, or a role of the machine");
  if (messageOf(error).startsWith("Region is missing"))
    return lasting("the region is not known", 'set "region", or AWS_REGION');
  if (beforeConnection(error)) return passing(`the server cannot be reached (${code})`);
  if (/CERT|^ERR_TLS|^ERR_SSL|^EPROTO/.test(code) || code === "UNABLE_TO_VERIFY_LEAF_SIGNATURE")
    return lasting(`the server cannot be trusted (${code})`, "correct its certificate, or NODE_EXTRA_CA_CERTS");
  if (code !== "" || nameOf(error) === "TimeoutError")
    return {
      what: `the connection was lost (${code || "timeout"})`,
      todo: again,
      transient: true,
      maybe: asked.writes,
    };
  return {
    what: `the request failed (${wordOf(nameOf(error))})`,
    todo: "see whether the address is that of an S3 server",
    transient: false,
    maybe: asked.writes,
  };
}

/** What a server, or somebody on the way, has said, and nobody can read. */
function unreadable(status: number | undefined, asked: Asked, repeated: number): Facts {
  const what = `the server gave an answer that cannot be read${status === undefined ? "" : ` (${status})`}`;
  const todo = "see whether the address is that of an S3 server";
  return { what, todo, transient: repeated < patience, maybe: asked.writes };
}

/** The SDK throws what its parser threw, and adds the answer. */
function isGarbled(error: unknown): boolean {
  const heard = (error as { $response?: unknown } | null | undefined)?.$response !== undefined;
  return heard && /^(Syntax)?Error$/.test(nameOf(error)) && systemCodeOf(error) === "";
}

/** Whether it failed before anything could be sent. */
function beforeConnection(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(beforeConnection);
  const { syscall } = error as { syscall?: unknown };
  return syscall === "connect" || syscall === "getaddrinfo";
}

const passing = (what: string): Facts => ({ what, todo: again, transient: true, maybe: false });
const lasting = (what: string, todo: string): Facts => ({ what, todo, transient: false, maybe: false });
const region = ({ bucket }: Place): Facts =>
  lasting(`bucket "${bucket}" is in another region`, 'set "region", or AWS_REGION, to the region of the bucket');

function statusOf(error: unknown): number | undefined {
  const status = (error as { $metadata?: { httpStatusCode?: unknown } } | null | undefined)?.$metadata?.httpStatusCode;
  return typeof status === "number" && status >= 300 ? status : undefined;
}

/** The server's word for why. */
function codeOf(error: unknown): string {
  return wordOf(nameOf(error));
}

function nameOf(error: unknown): string {
  return String((error as { name?: unknown } | null | undefined)?.name);
}

function messageOf(error: unknown): string {
  return String((error as { message?: unknown } | null | undefined)?.message);
}

/** Node's word for why, such as ECONNRESET. */
function systemCodeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" && /^[A-Z][A-Z0-9_]{2,60}$/.test(code) ? code : "";
}

const wordOf = (text: string): string => (/^[\w.-]{1,80}$/.test(text) ? text : "Unknown");
