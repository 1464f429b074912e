/** A store: everything that is kept under one address. */
import { StoreConflictError } from "../errors.ts";
import { checkKey } from "../keys.ts";
import { refuseUnknown, show } from "../options.ts";
import type { ObjectInfo } from "../ports/store.ts";
import { handleOf } from "../value/port.ts";
import { type StoreBlob, blobOf } from "./blob.ts";
import { type Cell, type CellOptions, type HandleMaker, StoreCell } from "./cell.ts";
import { Commits } from "./commits.ts";
import type { Lease } from "./lease.ts";
import { type LeaseOptions, Leases, type LockOptions } from "./leases.ts";
import { type MemoContext, type MemoOptions, Memos } from "./memo.ts";
import type { RecordKind } from "./record.ts";
import { type RequestCounts, Requests, type StoreDeps } from "./requests.ts";
import { remove } from "./settle.ts";
import { Watches } from "./watch.ts";

export interface StoreStats {
  /** Requests of this handle of the store since it was opened: all that S3 charges, those that failed and the trial of the server included. */
  readonly requests: RequestCounts;
  readonly watches: number;
  readonly leases: number;
  /** What the watches and leases of now ask for while nothing changes. */
  readonly perHour: { readonly reads: number; readonly writes: number; readonly dollarsPerMonth: number };
}

export interface DeleteOptions {
  /** Only the object with this etag is deleted. Default: whatever is there. */
  readonly ifMatch?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions {
  readonly signal?: AbortSignal | undefined;
}

/** @see openStore */
export interface Store extends AsyncDisposable {
  /** Address of the store, without anything secret. */
  readonly name: string;
  /**
   * A value that all machines share. Nothing is asked of the store until it is used.
   *
   * @throws TypeError for a key or options that make no sense.
   * @example
   * const hits = store.cell("hits", { initial: 0 });
   * await hits.update((count) => count + 1);
   */
  cell<T = unknown>(key: string, options: CellOptions<T> & { readonly initial: T }): Cell<T>;
  cell<T = unknown>(key: string, options?: CellOptions<T>): Cell<T | undefined>;
  /**
   * Takes a lease, if nobody holds it: at most one holder at a time, with a token that grows by each. When its holder seems to be dead, that is
   * watched for as long as the holder's `ttl`.
   *
   * @throws StoreConflictError `"held"` when somebody holds it.
   * @example
   * await using lease = await store.lease("nightly-report", { ttl: "30s" });
   * await report.set(await makeReport({ signal: lease.signal }), { lease });
   */
  lease(key: string, options?: LeaseOptions): Promise<Lease>;
  /**
   * Takes a lease as soon as nobody else holds it.
   *
   * @throws StoreConflictError `"held"` after `timeout`; AbortError when `signal` aborts.
   */
  lock(key: string, options?: LockOptions): Promise<Lease>;
  /**
   * Runs `run` on one machine at a time: waits until this one is elected, and when the lease was lost before `run` has ended, once more.
   * Resolves with what `run` returns while it holds the lease.
   *
   * @throws What `run` throws while it holds the lease; AbortError when `signal` aborts.
   * @example
   * await store.elect("scheduler", async (lease) => {
   *   while (!lease.signal.aborted) await runDueJobs({ lease });
   * });
   */
  elect<T>(key: string, run: (lease: Lease) => T | PromiseLike<T>, options?: Omit<LockOptions, "timeout">): Promise<T>;
  /** A large object, as bytes or as a stream. Nothing is asked of the store until it is used. */
  blob(key: string): StoreBlob;
  /**
   * The value of `key`; if there is none, what `compute` returns, which becomes it. Of all machines one computes, the others wait; when it
   * is gone, another one computes. It is kept until `delete(key)`.
   *
   * @throws What `compute` throws: then nothing is kept, and the next one who waits computes.
   * @throws StoreDataError when the schema refuses it.
   * @example
   * const model = await store.memo("model-v3", async ({ signal }) => train(data, { signal }));
   */
  memo<T>(key: string, compute: (context: MemoContext) => T | PromiseLike<T>, options?: MemoOptions<T>): Promise<T>;
  /** What is stored under keys that begin with `prefix`, in the order of their bytes. Leases are not among them. */
  list(prefix?: string, options?: ListOptions): AsyncGenerator<ObjectInfo, void, undefined>;
  /**
   * Deletes a cell, a blob or a memo; no matter if there is none. Leases cannot be deleted: their tokens never begin again.
   *
   * @throws StoreConflictError `"changed"` when it has another etag than `ifMatch`; `"unknown"`, with `maybe: true`, when an answer was lost
   *   and others have written since, so that nobody can tell any more.
   */
  delete(key: string, options?: DeleteOptions): Promise<void>;
  stats(): StoreStats;
  /** Releases its leases, ends its watches and connections. */
  close(): Promise<void>;
}

/** What begins with it is ours: leases, and trials of what the server can do. */
const reserved = ".tinderbox/";
/** What drivers take is longer by what leases and memos put before it. */
const longestOwnKey = 800;
const hoursOfMonth = 730;

export interface OpenedDeps extends StoreDeps {
  /** A watch could not read, for the first time after it could. */
  readonly failing: (key: string, error: unknown) => void;
  readonly handles: HandleMaker;
  /** Before a lease is asked for. */
  readonly holding: () => void;
  /** It holds nothing any more. */
  readonly closed: () => void;
}

export class OpenStore implements Store {
  readonly #requests: Requests;
  readonly #leases: Leases;
  readonly #memos: Memos;
  readonly #watches: Watches;
  readonly #deps: OpenedDeps;
  readonly #commits = new Map<string, WeakRef<Commits>>();
  readonly #forgotten = new FinalizationRegistry<string>((name) => {
    if (!this.#commits.get(name)?.deref()) this.#commits.delete(name);
  });

  constructor(deps: OpenedDeps) {
    this.#deps = deps;
    this.#requests = new Requests(deps);
    this.#leases = new Leases(this.#requests);
    this.#memos = new Memos({
      requests: this.#requests,
      leases: this.#leases,
      commitsOf: (key) => this.#commitsOf("memo", key),
    });
    this.#watches = new Watches(this.#requests, (commits, error) => deps.failing(commits.key, error));
  }

  get name(): string {
    return this.#requests.name;
  }

  get [handleOf](): { readonly type: string; readonly data: unknown } {
    return this.#deps.handles.store();
  }

  held(): readonly Lease[] {
    return this.#leases.all;
  }

  /** Those of now; others may be taken. */
  async releaseAll(): Promise<void> {
    await Promise.all(this.held().map((lease) => lease.release()));
  }

  cell<T>(key: string, options: CellOptions<T> = {}): Cell<T> {
    const commits = this.#commitsOf("cell", checked(key, "a cell"));
    return new StoreCell<T>(key, options, {
      requests: this.#requests,
      commits,
      watches: this.#watches,
      handles: this.#deps.handles,
    });
  }

  lease(key: string, options: LeaseOptions = {}): Promise<Lease> {
    this.#deps.holding();
    return this.#leases.lease(checked(key, "a lease"), options);
  }

  lock(key: string, options: LockOptions = {}): Promise<Lease> {
    this.#deps.holding();
    return this.#leases.lock(checked(key, "a lock"), options);
  }

  elect<T>(
    key: string,
    run: (lease: Lease) => T | PromiseLike<T>,
    options: Omit<LockOptions, "timeout"> = {},
  ): Promise<T> {
    this.#deps.holding();
    return this.#leases.elect(checked(key, "an election"), run, options);
  }

  blob(key: string): StoreBlob {
    return blobOf(this.#requests, checked(key, "a blob"), this.#deps.handles);
  }

  async memo<T>(
    key: string,
    compute: (context: MemoContext) => T | PromiseLike<T>,
    options: MemoOptions<T> = {},
  ): Promise<T> {
    this.#deps.holding();
    return this.#memos.get(checked(key, "a memo"), compute, options);
  }

  async *list(prefix = "", { signal, ...rest }: ListOptions = {}): AsyncGenerator<ObjectInfo, void, undefined> {
    if (typeof prefix !== "string") throw new TypeError(`Cannot list ${show(prefix)}: a string is wanted`);
    refuseUnknown(rest, ["signal"], "list");
    for (let after: string | undefined; ;) {
      const { objects, more } = await this.#requests.list(prefix, { after, signal });
      // An object of the name of the prefix itself is a "folder" of the console.
      for (const each of objects) if (each.key !== "" && !each.key.startsWith(reserved)) yield each;
      if (!more) return;
      after = objects.at(-1)!.key;
    }
  }

  async delete(key: string, { ifMatch, signal, ...rest }: DeleteOptions = {}): Promise<void> {
    checked(key, "an object");
    refuseUnknown(rest, ["ifMatch", "signal"], "delete");
    const outcome = await remove(this.#requests, key, `"${key}" of ${this.name}`, { ifMatch, signal });
    if (outcome === "done") return;
    throw new StoreConflictError(`Cannot delete "${key}" of ${this.name}: it has changed; read it again`, {
      store: this.name,
      key,
      reason: "changed",
    });
  }

  stats(): StoreStats {
    const { prices } = this.#deps.driver;
    const reads = this.#watches.requestsPerHour;
    const writes = this.#leases.requestsPerHour;
    const dollarsPerMonth = ((reads * prices.read + writes * prices.write) * hoursOfMonth) / 1_000;
    return {
      requests: this.#requests.counts,
      watches: this.#watches.count,
      leases: this.#leases.held,
      perHour: { reads, writes, dollarsPerMonth },
    };
  }

  async close(): Promise<void> {
    this.#watches.close(new TypeError(`store ${this.name} was closed`));
    await this.#leases.close();
    await this.#deps.driver.close();
    this.#deps.closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One for each key, as long as anybody uses it. */
  #commitsOf(kind: RecordKind, key: string): Commits {
    const name = `${kind} ${key}`;
    const known = this.#commits.get(name)?.deref();
    if (known) return known;
    const made = new Commits(this.#requests, kind, key);
    this.#commits.set(name, new WeakRef(made));
    this.#forgotten.register(made, name);
    return made;
  }
}

function checked(key: string, what: string): string {
  checkKey(key, what, longestOwnKey);
  if (!key.startsWith(reserved)) return key;
  throw new TypeError(
    `Cannot use ${show(key)} as the key of ${what}: what begins with "${reserved}" is the store's own; use another key`,
  );
}
