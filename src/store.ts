/**
 * `tinderbox/store`: state that outlives every machine and is shared by all of them, in S3, in a folder, or in memory.
 *
 * @example
 * import { openStore } from "tinderbox/store";
 * const store = openStore("s3://my-bucket/app");
 * const hits = store.cell("hits", { initial: 0 });
 * await hits.update((count) => count + 1);
 */
import { fileURLToPath } from "node:url";
import { systemClock } from "./clock.ts";
import { place } from "./context.ts";
import { CaptureError } from "./errors.ts";
import { events } from "./events/index.ts";
import { count, join } from "./lifecycle.ts";
import { live } from "./live/function.ts";
import { refuseUnknown, show } from "./options.ts";
import type { Branch } from "./ports/child.ts";
import type { StoreDriver } from "./ports/store.ts";
import type { HandleMaker } from "./store/cell.ts";
import { fileDriver } from "./store/drivers/file.ts";
import { memoryDriver } from "./store/drivers/memory.ts";
import type { S3Credentials } from "./store/drivers/s3-options.ts";
import { s3Driver } from "./store/drivers/s3.ts";
import { guarded } from "./store/probe.ts";
import { plainIssue, type StandardSchema } from "./store/schema.ts";
import { OpenStore, type Store } from "./store/store.ts";

export type { StoreBlob } from "./store/blob.ts";
export type { Cell, CellOptions, ReadCellOptions, UpdateOptions } from "./store/cell.ts";
export type { Lease } from "./store/lease.ts";
export type { LeaseOptions, LockOptions } from "./store/leases.ts";
export type { MemoContext, MemoOptions } from "./store/memo.ts";
export type { ObjectInfo } from "./ports/store.ts";
export type { RequestCounts } from "./store/requests.ts";
export type { StandardSchema } from "./store/schema.ts";
export type { DeleteOptions, ListOptions, Store, StoreStats } from "./store/store.ts";
export type { WatchOptions } from "./store/watch.ts";
export { LeaseLostError, StoreConflictError, StoreDataError, StoreError } from "./errors.ts";

/** For `s3:` only; what is not said is found as the AWS SDK finds it: environment, profile, role of the machine. */
export interface StoreOptions {
  readonly region?: string | undefined;
  /** Address of a server that speaks S3, for those that are not AWS. Default: `AWS_ENDPOINT_URL_S3`, else AWS. */
  readonly endpoint?: string | undefined;
  /** Bucket in the path instead of the host name, as many servers that are not AWS want it. Default: true with an endpoint. */
  readonly forcePathStyle?: boolean | undefined;
  /** They stay in this process: on a runner the store is opened with what that machine has. Default: the SDK's own search. */
  readonly credentials?: S3Credentials | undefined;
}

interface StoreData {
  readonly url: string;
  readonly options: Omit<StoreOptions, "credentials">;
}

/**
 * Opens a store. Nothing is asked of it until it is used. The store, its cells and its blobs may be captured by closures: on a runner they
 * are the same store, opened there.
 *
 * @param url `s3://bucket/prefix`; `file:///folder`, for the processes of one machine; `memory:`, for one process and as long as it lives.
 * @throws TypeError for a URL or options that make no sense.
 * @example
 * await using store = openStore("file:///var/lib/my-app");
 * for await (const { key, size } of store.list("reports/")) console.log(key, size);
 */
export function openStore(url: string | URL, options: StoreOptions = {}): Store {
  return openAt(url, options);
}

/**
 * The same for a store whose owner closes it: leases in it outlast the moment at which the process has nothing left to do, and nobody sees
 * them among what is kept up here.
 */
export function openOwnStore(url: string, options: StoreOptions): Store {
  const nothing = (): void => undefined;
  return openAt(url, options, { holding: nothing, closed: nothing });
}

interface Keeper {
  holding(store: OpenStore): void;
  closed(store: OpenStore): void;
}

function openAt(url: string | URL, options: StoreOptions, keeper?: Keeper): Store {
  const address = String(url);
  refuseUnknown(options, ["region", "endpoint", "forcePathStyle", "credentials"], "openStore");
  const { credentials, ...given } = options;
  const travelling = address.startsWith("s3:") ? { ...fromEnvironment(), ...given } : given;
  const driver = driverOf(address, { ...travelling, ...(credentials && { credentials }) });
  return open(driver, { url: address, options: travelling }, keeper);
}

/** What a runner would not find in its own environment. */
function fromEnvironment(): Omit<StoreOptions, "credentials"> {
  const {
    AWS_ENDPOINT_URL_S3: ours,
    AWS_ENDPOINT_URL: general,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: other,
  } = process.env;
  const found = { endpoint: ours || general, region: region || other };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value)) as Omit<StoreOptions, "credentials">;
}

function open(driver: StoreDriver, data: StoreData, keeper: Keeper = { holding: keep, closed: letGo }): OpenStore {
  const store: OpenStore = new OpenStore({
    driver,
    clock: systemClock,
    failing: (key, error) => events.emit("store.failing", { store: driver.name, key, error }),
    holding: () => keeper.holding(store),
    closed: () => keeper.closed(store),
    handles: handlesOf(driver, data),
  });
  return store;
}

function driverOf(url: string, options: StoreOptions): StoreDriver {
  const scheme = /^([a-z\d+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme !== "s3" && Object.keys(options).length > 0)
    throw new TypeError(`Cannot use ${Object.keys(options).join(", ")} for ${url}: options are for s3: only`);
  if (scheme === "memory") {
    if (url !== "memory:") throw new TypeError(`Cannot open store ${show(url)}: it is "memory:", without a name`);
    return memoryDriver({ clock: systemClock });
  }
  if (scheme === "file") {
    if (!/^file:\/\/\/./i.test(url))
      throw new TypeError(
        `Cannot open store ${show(url)}: an absolute folder is wanted, such as file:///var/lib/app; pathToFileURL() makes it`,
      );
    return fileDriver({ folder: fileURLToPath(url), clock: systemClock });
  }
  if (scheme === "s3") {
    const [, bucket, prefix] = /^s3:\/\/([^/?#]+)(?:\/([^?#]*))?$/i.exec(url) ?? [];
    if (bucket === undefined || bucket.includes("@"))
      throw new TypeError(
        `Cannot open this store: s3://bucket/prefix is wanted, and nothing else in it; region, endpoint and credentials are options`,
      );
    const address = { bucket, prefix: decoded(prefix ?? "", url).replace(/\/$/, "") };
    return guarded(s3Driver({ ...options, ...address, clock: systemClock }));
  }
  throw new TypeError(`Cannot open store ${show(url)}: a URL of s3:, file: or memory: is wanted`);
}

function decoded(prefix: string, url: string): string {
  try {
    return decodeURIComponent(prefix);
  } catch {
    throw new TypeError(`Cannot open store ${show(url)}: its prefix is no part of a URL; write % as %25`);
  }
}

interface CellData extends StoreData {
  readonly key: string;
  readonly initial: unknown;
  /** Of the side that has the schema: it is asked by the other. */
  readonly validate: ((value: unknown) => Promise<SchemaResult>) | undefined;
}

type SchemaResult = Awaited<ReturnType<StandardSchema["~standard"]["validate"]>>;

function handlesOf({ name }: StoreDriver, data: StoreData): HandleMaker {
  const travelling = (): StoreData => {
    if (data.url !== "memory:") return data;
    throw new CaptureError(
      `Cannot send store ${name}: it is in the memory of this process; use file: or s3: for what runners share`,
      {},
    );
  };
  return {
    store: () => ({ type: "store", data: travelling() }),
    blob: (key) => ({ type: "blob", data: { ...travelling(), key } }),
    cell: (key, initial, schema) => ({
      type: "cell",
      data: { ...travelling(), key, initial, validate: schema && live(plainly(schema)) } satisfies CellData,
    }),
  };
}

/** What a schema says, as data. */
function plainly(schema: StandardSchema) {
  return async (value: unknown): Promise<SchemaResult> => {
    const result = await schema["~standard"].validate(value);
    return result.issues ? { issues: result.issues.map(plainIssue) } : { value: result.value };
  };
}

/** Opened for handles that came from elsewhere: one for each address. */
const received = new Map<string, OpenStore>();

function receive({ url, options }: StoreData): OpenStore {
  const name = JSON.stringify([url, options]);
  const known = received.get(name);
  if (known) return known;
  const store = open(driverOf(url, options), { url, options });
  received.set(name, store);
  return store;
}

place.handles.set("store", (data) => receive(data as StoreData));
place.handles.set("blob", (data) => receive(data as StoreData).blob((data as CellData).key));
place.handles.set("cell", (data) => {
  const { key, initial, validate } = data as CellData;
  const schema = validate && { "~standard": { version: 1, vendor: "tinderbox", validate } as const };
  return receive(data as StoreData).cell(key, {
    ...(initial === undefined ? {} : { initial }),
    ...(schema && { schema }),
  });
});

const kept = new WeakMap<OpenStore, () => void>();

function letGo(store: OpenStore): void {
  if (kept.has(store)) count(-1);
  kept.get(store)?.();
  kept.delete(store);
}

/** From its first lease on: what is held is given back when this process is told to end. */
function keep(store: OpenStore): void {
  if (kept.has(store)) return;
  count(1);
  const since = systemClock.wall();
  const leave = join({
    kind: "store",
    describe() {
      const held = store.held();
      if (held.length === 0) return undefined;
      const branch = { type: "worker", status: "running", restarts: 0, since } as const;
      const children = held.map(({ key, token }): Branch => ({ ...branch, id: key, detail: `lease, token ${token}` }));
      return { ...branch, type: "supervisor", id: `store ${store.name}`, children };
    },
    stop: () => store.releaseAll(),
    // Nobody has to wait until it expires.
    rest: () => void store.releaseAll(),
  });
  kept.set(store, leave);
}
