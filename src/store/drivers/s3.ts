/** Objects in a bucket of S3, or of a server that speaks S3. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type * as Sdk from "@aws-sdk/client-s3";
import { StoreError } from "../../errors.ts";
import { checkKey } from "../../keys.ts";
import type { Condition, ObjectInfo, PutOptions, PutOutcome, StoreDriver } from "../../ports/store.ts";
import { base64Of, faults, received } from "./s3-body.ts";
import { type Asked, askedToRead, askedToWrite, type Refusal, storeError } from "./s3-errors.ts";
import { resolve, type S3Options } from "./s3-options.ts";
import type { PartBuffer } from "./s3-parts.ts";
import { S3Requests } from "./s3-requests.ts";
import { type SentPart, upload, type UploadCalls } from "./s3-upload.ts";

interface Loaded {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
}

const packageName = "@aws-sdk/client-s3";
/** Of the metadata, in which marks are kept. */
const markName = "tinderbox-mark";

export function s3Driver(options: S3Options): StoreDriver {
  const { bucket, root, name, clock, requestTimeoutMs, partBytes, page } = resolve(options);
  const place = { name, bucket };
  const requests = new S3Requests({ place, clock, requestTimeoutMs, load: () => load(name, options) });
  const uploads = new Set<Promise<unknown>>();
  const targetOf = (key: string) => {
    checkKey(key, "an object");
    return { Bucket: bucket, Key: root + key };
  };

  /** An object, or a part of it. Who reads the body, or `close`s it, ends its deadline. */
  const open = async (asked: Asked, input: Sdk.GetObjectCommandInput, signal: AbortSignal | undefined) => {
    const deadline = requests.deadline({ signal });
    const answer = await requests.ask(asked, deadline, signal, ({ sdk, client }, sending) =>
      client.send(new sdk.GetObjectCommand(input), sending),
    );
    if (typeof answer === "string") {
      deadline[Symbol.dispose]();
      return answer;
    }
    const { ETag: etag, ContentLength: length, ContentRange: range, ChecksumCRC32: given } = answer;
    const source = (answer.Body ?? nothing()) as AsyncIterable<Uint8Array>;
    // Checksums of parts end in their number and are longer; those of a range do not exist.
    const sum = range === undefined && given?.length === 8 ? Buffer.from(given, "base64").readUInt32BE() : undefined;
    const body = (stallMs?: number): AsyncGenerator<Uint8Array> => {
      deadline.extend(stallMs ?? requests.limitMs(length ?? 0));
      return received({ source, length, crc32: sum }, deadline, stallMs, faults(requests, asked, deadline, signal));
    };
    const close = (): void => deadline.end("aborted");
    if (etag !== undefined) return { answer, etag, sum, body, close };
    close();
    throw requests.unexpected("no etag", asked);
  };

  const put = async (key: string, body: Uint8Array, { condition, mark, signal }: PutOptions) => {
    const asked = askedToWrite(key, condition);
    const length = { Body: body, ContentLength: body.length };
    const input = { ...targetOf(key), ...headersOf(condition), ...markedBy(mark), ...length };
    const answer = await requests.act(
      asked,
      { signal, ms: requests.limitMs(body.length) },
      ({ sdk, client }, sending) =>
        client.send(new sdk.PutObjectCommand({ ...input, ChecksumCRC32: base64Of(crc32(body)) }), sending),
    );
    return outcomeOf(answer, condition, asked);
  };

  /** What a write came to. */
  const outcomeOf = (
    answer: { readonly ETag?: string | undefined } | Refusal,
    condition: Condition | undefined,
    asked: Asked,
  ): PutOutcome => {
    if (typeof answer === "object" && answer.ETag !== undefined) return { etag: answer.ETag };
    // There is nothing that could have the etag.
    if (answer === "missing" && typeof condition === "object") return "lost";
    if (answer === "condition" && condition !== undefined) return "lost";
    throw requests.unexpected(typeof answer === "string" ? answer : "no etag", asked);
  };

  /** What is there, without its bytes. */
  const describe = async (key: string, asked: Asked, ifMatch: string | undefined, signal: AbortSignal | undefined) => {
    const answer = await requests.act(asked, { signal }, ({ sdk, client }, sending) =>
      client.send(new sdk.HeadObjectCommand({ ...targetOf(key), IfMatch: ifMatch }), sending),
    );
    if (answer === "missing") return undefined;
    if (answer === "condition" && ifMatch !== undefined) return "lost";
    if (typeof answer === "string") throw requests.unexpected(answer, asked);
    const { ETag: etag, ContentLength: size, LastModified: modified, Metadata = {} } = answer;
    if (etag === undefined || size === undefined) throw requests.unexpected("no etag", asked);
    return { etag, size, modified: modified?.getTime() ?? 0, mark: Metadata[markName] };
  };

  /** The server cannot check a whole upload. */
  let unchecked = false;

  const uploadCalls = (key: string, asking: PutOptions): UploadCalls => {
    const { condition, mark, signal } = asking;
    const target = targetOf(key);
    // Of the object itself nothing changes until the end.
    const asked: Asked = { ...askedToWrite(key, undefined), writes: false };
    let checked = !unchecked;
    const create = async (stop: AbortSignal): Promise<string> => {
      const input = checked ? ({ ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" } as const) : {};
      const answer = await requests.act(asked, { signal: stop }, ({ sdk, client }, sending) =>
        client.send(new sdk.CreateMultipartUploadCommand({ ...target, ...markedBy(mark), ...input }), sending),
      );
      if (typeof answer === "object" && answer.UploadId !== undefined) return answer.UploadId;
      throw requests.unexpected("no upload", asked);
    };
    return {
      put: (body) => put(key, body, asking),
      async create(stop) {
        try {
          return await create(stop);
        } catch (error) {
          const { status } = error as { status?: unknown };
          if (!checked || (status !== 400 && status !== 501)) throw error;
          checked = false;
          const id = await create(stop);
          unchecked = true;
          return id;
        }
      },
      async part(UploadId, PartNumber, { bytes, crc32: sum }: PartBuffer, stop): Promise<SentPart> {
        const check = checked ? { ChecksumCRC32: base64Of(sum) } : { ContentMD5: md5Of(bytes) };
        const input = { ...target, ...check, UploadId, PartNumber, Body: bytes, ContentLength: bytes.length };
        const limits = { signal: stop, ms: requests.limitMs(bytes.length) };
        const answer = await requests.act(asked, limits, ({ sdk, client }, sending) =>
          client.send(new sdk.UploadPartCommand(input), sending),
        );
        if (typeof answer === "object" && answer.ETag !== undefined)
          return { number: PartNumber, etag: answer.ETag, crc32: sum };
        throw requests.unexpected("no part", asked);
      },
      async complete(UploadId, sent, whole) {
        const last = askedToWrite(key, condition);
        const sumOf = (sum: number) => (checked ? { ChecksumCRC32: base64Of(sum) } : {});
        const Parts = sent.map(({ number, etag, crc32: sum }) => ({ PartNumber: number, ETag: etag, ...sumOf(sum) }));
        const check = checked ? ({ ...sumOf(whole), ChecksumType: "FULL_OBJECT" } as const) : {};
        const input = { ...target, ...headersOf(condition), ...check, UploadId, MultipartUpload: { Parts } };
        // All parts are put together meanwhile.
        const ms = 3 * requestTimeoutMs + 50 * sent.length;
        const answer = await requests.act(last, { signal, ms }, ({ sdk, client }, sending) =>
          client.send(new sdk.CompleteMultipartUploadCommand(input), sending),
        );
        return outcomeOf(answer, condition, last);
      },
      async abort(UploadId) {
        const limits = { ms: requestTimeoutMs / 2, closing: new AbortController().signal };
        const aborting: Asked = { ...asked, permission: "s3:AbortMultipartUpload" };
        await requests.act(aborting, limits, ({ sdk, client }, sending) =>
          client.send(new sdk.AbortMultipartUploadCommand({ ...target, UploadId }), sending),
        );
      },
      tooLarge: () =>
        storeError(
          { what: "it is larger than S3 allows", todo: "write it as several", transient: false, maybe: false },
          asked,
          place,
        ),
    };
  };

  return {
    name,
    counts: requests.counts,
    // List price of us-east-1: $0.0004 for a thousand GET and HEAD, $0.005 for a thousand PUT, POST and LIST.
    prices: { read: 0.0004, write: 0.005 },

    get(key, { ifNoneMatch, signal } = {}) {
      const asked = askedToRead(key);
      return requests.inTurn(asked, { signal }, async () => {
        const opened = await open(asked, { ...targetOf(key), IfNoneMatch: ifNoneMatch }, signal);
        if (opened === "missing") return undefined;
        if (opened === "unchanged") return "unchanged";
        if (typeof opened === "string") throw requests.unexpected(opened, asked);
        const pieces: Uint8Array[] = [];
        for await (const piece of opened.body()) pieces.push(piece);
        const { LastModified, $metadata } = opened.answer;
        const ageMs = Date.parse(($metadata as Dated).date ?? "") - (LastModified?.getTime() ?? Number.NaN);
        return {
          etag: opened.etag,
          body: Buffer.concat(pieces),
          ageMs: Number.isNaN(ageMs) ? undefined : Math.max(0, ageMs),
        };
      });
    },

    async head(key, { signal } = {}) {
      const found = await describe(key, askedToRead(key), undefined, signal);
      return found === "lost" ? undefined : found;
    },

    put: (key, body, asking = {}) => put(key, body, asking),

    async remove(key, { ifMatch, signal } = {}) {
      const asked: Asked = { action: "remove", key, permission: "s3:DeleteObject", writes: true };
      const answer = await requests.act(asked, { signal }, ({ sdk, client }, sending) =>
        client.send(new sdk.DeleteObjectCommand({ ...targetOf(key), IfMatch: ifMatch }), sending),
      );
      if (typeof answer === "object" || answer === "missing") return "done";
      if (answer === "condition" && ifMatch !== undefined) return "lost";
      throw requests.unexpected(answer, asked);
    },

    async list(within, { after, signal } = {}) {
      const asked: Asked = { action: "list", permission: "s3:ListBucket", writes: false };
      let from: { StartAfter?: string; ContinuationToken?: string } =
        after === undefined ? {} : { StartAfter: root + after };
      for (;;) {
        // XML cannot hold every character of a key, so they come encoded.
        const input = { Bucket: bucket, Prefix: root + within, MaxKeys: page, EncodingType: "url", ...from } as const;
        const answer = await requests.act(asked, { signal }, ({ sdk, client }, sending) =>
          client.send(new sdk.ListObjectsV2Command(input), sending),
        );
        if (typeof answer === "string") throw requests.unexpected(answer, asked);
        const { Contents = [], IsTruncated: more, NextContinuationToken: token } = answer;
        if (more === undefined) throw requests.unexpected("no list", asked);
        if (Contents.length > 0 || !more) return { objects: Contents.map((found) => infoOf(found, root)), more };
        // S3 may give an empty page in the middle.
        if (token === undefined) throw requests.unexpected("no token", asked);
        from = { ContinuationToken: token };
      }
    },

    async read(key, { start = 0, end = Infinity, ifMatch, signal } = {}) {
      const asked = askedToRead(key);
      const whole = start === 0 && end === Infinity;
      const range = whole ? undefined : `bytes=${start}-${end === Infinity ? "" : end - 1}`;
      // No bytes cannot be asked for.
      const opened =
        end <= start ? "range" : await open(asked, { ...targetOf(key), Range: range, IfMatch: ifMatch }, signal);
      if (opened === "range") {
        const found = await describe(key, asked, ifMatch, signal);
        return typeof found === "object" ? { etag: found.etag, size: found.size, body: nothing() } : found;
      }
      if (opened === "missing") return undefined;
      if (opened === "condition" && ifMatch !== undefined) return "lost";
      if (typeof opened === "string") throw requests.unexpected(opened, asked);
      const { etag } = opened;
      const { ContentLength, ContentRange = "" } = opened.answer;
      const [, first, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(ContentRange) ?? [];
      if (whole) return { etag, size: ContentLength ?? 0, crc32: opened.sum, body: opened.body(requestTimeoutMs) };
      if (Number(first) === start) return { etag, size: Number(size), body: opened.body(requestTimeoutMs) };
      opened.close();
      throw requests.unexpected("other bytes than those that were asked for", asked);
    },

    async write(key, source, asking = {}) {
      const { condition, signal } = asking;
      signal?.throwIfAborted();
      requests.check(askedToWrite(key, condition));
      const signals = signal ? [signal, requests.closing] : [requests.closing];
      const task = upload(source, uploadCalls(key, asking), { partBytes, clock, signals });
      uploads.add(task);
      try {
        return await task;
      } finally {
        uploads.delete(task);
      }
    },

    async close() {
      const loaded = requests.close();
      // What they have begun they take away.
      await Promise.allSettled(uploads);
      (await loaded)?.client.destroy();
    },
  };
}

type Dated = { readonly date?: string | undefined };

async function load(name: string, options: S3Options): Promise<Loaded> {
  try {
    const sdk = await import("@aws-sdk/client-s3");
    return { sdk, client: clientOf(sdk, options) };
  } catch (cause) {
    const missing = (cause as { code?: unknown }).code === "ERR_MODULE_NOT_FOUND";
    const what = missing ? "is not installed" : "cannot be loaded";
    throw new StoreError(`Cannot use ${name}: package ${packageName} ${what}; run "npm install ${packageName}"`, {
      store: name,
      cause,
    });
  }
}

function clientOf(sdk: typeof Sdk, { region, endpoint, forcePathStyle, credentials }: S3Options): Sdk.S3Client {
  // How many there are at a time is decided by who knows which of them end soon.
  const sockets = { keepAlive: true, maxSockets: Infinity };
  // A server that is not AWS seldom cares.
  const any = async (): Promise<string> => new sdk.S3Client({}).config.region().catch(() => "us-east-1");
  const found = region ?? (endpoint === undefined ? undefined : any);
  const client = new sdk.S3Client({
    // What to repeat is decided by who knows what was asked.
    maxAttempts: 1,
    requestHandler: { httpAgent: sockets, httpsAgent: sockets },
    // It would take a connection of its own for each body.
    expectContinueHeader: false,
    // Given by ourselves, where they are of use.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(found === undefined ? {} : { region: found }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: forcePathStyle ?? endpoint !== undefined,
  });
  // Asks for the checksum and leaves it to us to compare.
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        const { headers } = args.request as { headers: Record<string, string> };
        if (commandName === "GetObjectCommand") headers["x-amz-checksum-mode"] = "ENABLED";
        return next(args);
      },
    { step: "build", name: "tinderboxChecksum" },
  );
  // The server's time, which the SDK does not pass on.
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { headers?: Record<string, string> };
      Object.assign(result.output?.$metadata ?? {}, { date: headers?.["date"] });
      return result;
    },
    { step: "deserialize", name: "tinderboxDate", priority: "high" },
  );
  return client;
}

function headersOf(condition: Condition | undefined): { IfMatch?: string; IfNoneMatch?: string } {
  if (condition === undefined) return {};
  return condition === "absent" ? { IfNoneMatch: "*" } : { IfMatch: condition.ifMatch };
}

function markedBy(mark: string | undefined): { Metadata?: Record<string, string> } {
  return mark === undefined ? {} : { Metadata: { [markName]: mark } };
}

function infoOf({ Key = "", ETag = "", Size = 0, LastModified }: Sdk._Object, root: string): ObjectInfo {
  const key = decodeURIComponent(Key.replaceAll("+", " ")).slice(root.length);
  return { key, etag: ETag, size: Size, modified: LastModified?.getTime() ?? 0 };
}

const md5Of = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("base64");

async function* nothing(): AsyncGenerator<Uint8Array> {}
