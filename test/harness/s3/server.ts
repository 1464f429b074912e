import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Credentials } from "./authenticate.ts";
import { BucketView } from "./bucket-view.ts";
import type { Site } from "./context.ts";
import { exchange, type Shared } from "./exchange.ts";
import { Faults } from "./faults.ts";
import { Partition, type PartitionOptions } from "./partition.ts";
import { Requests } from "./requests.ts";
import { type Rules, strict } from "./rules.ts";

export interface S3Options {
  /** Buckets that are there from the start. @default ["test"] */
  readonly buckets?: readonly string[];
  /** @default "us-east-1" */
  readonly region?: string;
  /** False makes a server that ignores If-Match and If-None-Match of writes, as some do. @default true */
  readonly conditionalWrites?: boolean;
  /** Time that each read or write takes at least. @default { read: 0, write: 0 } */
  readonly latencyMs?: { readonly read?: number; readonly write?: number };
  /** How far the server's clock is ahead. @default 0 */
  readonly clockOffsetMs?: number;
  /** For faults with a probability. @default 1 */
  readonly seed?: number;
  /** Bodies of more bytes than this go to a file. @default 1048576 */
  readonly spillBytes?: number;
  /** Where such files go; it stays when the server closes. @default a new folder, removed on close */
  readonly folder?: string;
}

export interface CredentialsOptions {
  /** Makes them temporary, with a session token. @default false */
  readonly session?: boolean;
  /** Milliseconds until they expire, by the server's clock. */
  readonly expiresInMs?: number;
}

/** An S3 server in this process. */
export interface S3Server extends AsyncDisposable {
  /** For path style: `http://127.0.0.1:<port>`. */
  readonly endpoint: string;
  /** For virtual-hosted style: `http://localhost:<port>`, with buckets at `<bucket>.localhost`. */
  readonly virtualEndpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
  /** Further credentials, one set for each client that a test wants to tell apart. */
  credentialsFor(name: string, options?: CredentialsOptions): Credentials;
  /** Lets somebody in who has credentials from elsewhere. */
  accept(credentials: Credentials): void;
  /** What is stored, past all protocol. */
  readonly buckets: BucketView;
  readonly faults: Faults;
  readonly requests: Requests;
  /** Uploads begun and neither completed nor aborted, each with the numbers of its parts. */
  parts(): readonly {
    readonly bucket: string;
    readonly key: string;
    readonly uploadId: string;
    readonly numbers: readonly number[];
  }[];
  /** Cuts everyone, or one client, off until `heal`. */
  partition(options?: PartitionOptions): void;
  heal(): void;
  /** Closes every connection and removes every file. May be called more than once. */
  dispose(): Promise<void>;
}

export function startS3(options: S3Options = {}): Promise<S3Server> {
  return startWithRules(options, strict);
}

/** As `startS3`, but not as strict: for mutants only. */
export async function startWithRules(options: S3Options, rules: Rules): Promise<S3Server> {
  const {
    region = "us-east-1",
    conditionalWrites = true,
    latencyMs = {},
    clockOffsetMs = 0,
    seed = 1,
    spillBytes = 2 ** 20,
  } = options;
  const now = () => Date.now() + clockOffsetMs;
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "s3-"));
  const site: Site = { region, conditionalWrites, rules, now, buckets: new Map() };
  const keys = new Map<string, Credentials>();
  const closing = new AbortController();
  const shared: Shared = {
    site,
    keys,
    faults: new Faults(seed),
    requests: new Requests(),
    partition: new Partition(),
    sink: { folder, spillBytes },
    latencyMs: { read: latencyMs.read ?? 0, write: latencyMs.write ?? 0 },
    signal: closing.signal,
  };
  const buckets = new BucketView(site);
  for (const name of options.buckets ?? ["test"]) buckets.create(name);

  const running = new Set<Promise<void>>();
  // Node's own deadlines would end what a test makes hang or trickle.
  const http = createServer(
    { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 600_000 },
    (request, response) => {
      response.on("error", () => undefined);
      const one = exchange(request, response, shared).catch(() => void response.destroy());
      running.add(one);
      void one.then(() => running.delete(one));
    },
  );
  http.on("connection", (socket) => shared.partition.connected(socket));
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  http.once("error", reject).listen(0, "127.0.0.1", resolve);
  await listening;
  const { port } = http.address() as AddressInfo;

  const credentialsFor = (name: string, { session = false, expiresInMs }: CredentialsOptions = {}): Credentials => {
    const made: Credentials = {
      accessKeyId: `${session ? "ASIA" : "AKIA"}-${name}`,
      secretAccessKey: randomBytes(20).toString("hex"),
      ...(session ? { sessionToken: randomBytes(60).toString("base64") } : {}),
      ...(expiresInMs === undefined ? {} : { expiration: new Date(now() + expiresInMs) }),
    };
    keys.set(made.accessKeyId, made);
    return made;
  };

  let closed: Promise<void> | undefined;
  const close = async () => {
    const { promise, resolve: done } = Promise.withResolvers<void>();
    closing.abort();
    shared.faults.clear();
    http.close(() => done());
    shared.partition.closeAll();
    http.closeAllConnections();
    await promise;
    await Promise.all(running);
    for (const { objects, uploads } of site.buckets.values()) {
      for (const { content } of objects.values()) content.release();
      for (const { parts } of uploads.values()) for (const { content } of parts.values()) content.release();
    }
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  };
  const dispose = () => (closed ??= close());

  return {
    endpoint: `http://127.0.0.1:${port}`,
    virtualEndpoint: `http://localhost:${port}`,
    region,
    credentials: credentialsFor("owner"),
    credentialsFor,
    accept: (credentials) => void keys.set(credentials.accessKeyId, credentials),
    buckets,
    faults: shared.faults,
    requests: shared.requests,
    parts: () => buckets.uploads(),
    partition: (cut = {}) => shared.partition.begin(cut),
    heal: () => shared.partition.heal(),
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}
