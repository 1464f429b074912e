/**
 * Objects in a folder, for all processes of one machine: `<folder>/<segments of the key>/@/<life>/<number of the version>`. Nothing is ever
 * locked, so a process that dies or is stopped is in nobody's way. The folder has to be on a file system with hard links, and not on a
 * network.
 *
 * What was answered lasts: bodies and names are on the disk by then. Of what was removed nothing stays for longer than it takes until
 * something is written a minute or more later.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { StoreDataError, StoreError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Condition, ObjectInfo, PutOptions, PutOutcome, StoreDriver } from "../../ports/store.ts";
import { Body, readWhole } from "./file-body.ts";
import { type Place, named } from "./file-errors.ts";
import { sweep } from "./file-graves.ts";
import { type Header, etagOf } from "./file-header.ts";
import { keysBelow } from "./file-list.ts";
import { FileRequests, type Ongoing } from "./file-requests.ts";
import { Stage } from "./file-stage.ts";
import { type OpenVersion, type Seen, Versions } from "./file-versions.ts";
import { unlessSilent } from "./sources.ts";

export interface FileOptions {
  /** It is made when something is written. */
  readonly folder: string;
  readonly clock: Clock;
  /** Objects of one answer of `list`. Default: 1000. */
  readonly page?: number;
  /** How long the file system may take for one step, in milliseconds. A body has a second more for each MiB. Default: 30000. */
  readonly requestTimeoutMs?: number;
}

/** How long a write tries to be the next one. */
const patienceMs = 30_000;
const sweepEveryMs = 60_000;

export function fileDriver({ folder, clock, page = 1_000, requestTimeoutMs = 30_000 }: FileOptions): StoreDriver {
  const root = resolve(folder);
  const name = pathToFileURL(root).href;
  const requests = new FileRequests(name, clock, requestTimeoutMs);
  const bodies = new Set<Body>();
  const versionsOf = (key: string): Versions => new Versions(root, name, key);

  let sweptAt = -Infinity;
  const stage = async (): Promise<Stage> => {
    const made = await Stage.create(root);
    if (clock.now() - sweptAt >= sweepEveryMs) {
      sweptAt = clock.now();
      await sweep(root, clock.wall());
    }
    return made;
  };

  /** Tries to make the next version until it is, or until `decide` says that there is to be none. */
  const change = async <T>(
    versions: Versions,
    ongoing: Ongoing,
    decide: (before: Seen | undefined) => T | undefined,
    add: (before: Seen | undefined) => Promise<Header | undefined>,
  ): Promise<T | Header> => {
    const end = clock.now() + patienceMs;
    for (;;) {
      ongoing.check();
      ongoing.continue();
      const before = await versions.look();
      const decided = decide(before);
      if (decided !== undefined) return decided;
      const made = await add(before);
      if (made) return made;
      if (clock.now() > end) throw contended(versions.place);
    }
  };

  /** Tries to make what is in a stage the next version. */
  const write = async (
    versions: Versions,
    ongoing: Ongoing,
    { condition, mark }: PutOptions,
    stagedBy: () => Promise<Stage>,
  ): Promise<PutOutcome> => {
    const add = async (before: Seen | undefined): Promise<Header | undefined> => {
      const staged = await stagedBy();
      ongoing.check();
      ongoing.committing = true;
      return versions.add(before, staged, { ...staged.content, mark });
    };
    return outcomeOf(await change(versions, ongoing, losesBy(condition), add));
  };

  return {
    name,
    counts: requests.counts,
    prices: { read: 0, write: 0 },
    get(key, { ifNoneMatch, signal } = {}) {
      return requests.run({ action: "read", key, signal }, async (ongoing) => {
        const versions = versionsOf(key);
        return using(await versions.open(), async (version) => {
          if (version.header.removed) return undefined;
          const etag = etagOf(version.header);
          if (etag === ifNoneMatch) return "unchanged";
          ongoing.continue(version.header.size);
          const body = await readWhole(version, versions.place);
          ongoing.check();
          return { etag, body, ageMs: Math.max(0, clock.wall() - version.modified) };
        });
      });
    },
    head(key, { signal } = {}) {
      return requests.run({ action: "read", key, signal }, async (ongoing) => {
        const head = await using(await versionsOf(key).open(), async ({ header, modified }) =>
          header.removed ? undefined : { etag: etagOf(header), size: header.size, modified, mark: header.mark },
        );
        ongoing.check();
        return head;
      });
    },
    put(key, body, options = {}) {
      const copy = new Uint8Array(body);
      return requests.run({ action: "write", key, signal: options.signal }, async (ongoing) => {
        let staged: Stage | undefined;
        const stagedBy = async (): Promise<Stage> => {
          if (staged) return staged;
          staged = await stage();
          ongoing.continue(copy.length);
          await staged.append(copy);
          return staged;
        };
        try {
          return await write(versionsOf(key), ongoing, options, stagedBy);
        } finally {
          await staged?.discard();
        }
      });
    },
    remove(key, { ifMatch, signal } = {}) {
      return requests.run({ action: "remove", key, signal }, async (ongoing) => {
        let staged: Stage | undefined;
        let ended: string | undefined;
        const versions = versionsOf(key);
        const decide = (before: Seen | undefined): "done" | "lost" | undefined => {
          ended = before?.life;
          if (!before || before.header.removed) return "done";
          return ifMatch !== undefined && etagOf(before.header) !== ifMatch ? "lost" : undefined;
        };
        try {
          const add = async (before: Seen | undefined): Promise<Header | undefined> => {
            staged ??= await stage();
            ongoing.check();
            ongoing.committing = true;
            return versions.add(before, staged, "removed");
          };
          const answer = await change(versions, ongoing, decide, add);
          if (answer === "lost") return "lost";
          if (ended !== undefined) await versions.bury(ended);
          return "done";
        } finally {
          await staged?.discard();
        }
      });
    },
    list(prefix, { after, signal } = {}) {
      return requests.run({ action: "list", signal }, async (ongoing) => {
        const objects: ObjectInfo[] = [];
        for await (const key of keysBelow(root, { prefix, after })) {
          ongoing.check();
          ongoing.continue();
          const info = await infoOf(key, versionsOf(key));
          if (info && objects.length === page) return { objects, more: true };
          if (info) objects.push(info);
        }
        return { objects, more: false };
      });
    },
    read(key, { start = 0, end = Infinity, ifMatch, signal } = {}) {
      return requests.run({ action: "read", key, signal }, async (ongoing) => {
        const versions = versionsOf(key);
        const version = await versions.open();
        if (!version) return undefined;
        const { header } = version;
        const etag = etagOf(header);
        const isLost = ifMatch !== undefined && ifMatch !== etag;
        if (header.removed || isLost || ongoing.late) {
          await version.handle.close();
          return header.removed ? undefined : "lost";
        }
        const reading = requests.ongoing(signal);
        reading.rest();
        const body = new Body(version, { place: versions.place, start, end, ongoing: reading, requests });
        bodies.add(body);
        const stop = (): void => void body.close().catch(() => undefined);
        signal?.addEventListener("abort", stop);
        void body.closed.then(() => {
          bodies.delete(body);
          signal?.removeEventListener("abort", stop);
        });
        if (signal?.aborted) stop();
        return { etag, size: header.size, crc32: header.crc, body };
      });
    },
    async write(key, source, options = {}) {
      const { signal } = options;
      // What the source throws is its own, also when it is an error of the system.
      let failure: { readonly error: unknown } | undefined;
      const writing = requests.run({ action: "write", key, signal }, async (ongoing) => {
        let staged: Stage | undefined;
        try {
          // The source comes first: a stream that fails while nobody listens ends the process.
          ongoing.rest();
          for await (const piece of unlessSilent(
            source,
            [requests.closing, signal],
            (error) => (failure = { error }),
          )) {
            ongoing.continue(piece.length);
            await (staged ??= await stage()).append(piece);
            ongoing.rest();
          }
          ongoing.continue();
          const whole = (staged ??= await stage());
          return await write(versionsOf(key), ongoing, options, async () => whole);
        } finally {
          await staged?.discard();
        }
      });
      return writing.catch((error: unknown) => {
        throw failure ? failure.error : error;
      });
    },
    async close() {
      await requests.close();
      const ongoing = requests.ongoing(undefined);
      const closed = Promise.all([...bodies].map((body) => body.close()));
      await ongoing.race(closed).catch((error: unknown) => {
        if (!ongoing.late) throw error;
      });
      ongoing[Symbol.dispose]();
    },
  };
}

/** "lost" when the condition does not hold. */
function losesBy(condition: Condition | undefined): (before: Seen | undefined) => "lost" | undefined {
  return (before) => {
    const there = before && !before.header.removed ? before.header : undefined;
    if (condition === undefined) return undefined;
    const holds = condition === "absent" ? !there : there !== undefined && etagOf(there) === condition.ifMatch;
    return holds ? undefined : "lost";
  };
}

function outcomeOf(answer: "lost" | Header): PutOutcome {
  return answer === "lost" ? "lost" : { etag: etagOf(answer) };
}

/** Undefined for what was removed. What is damaged is there, so that somebody sees it and can remove it. */
async function infoOf(key: string, versions: Versions): Promise<ObjectInfo | undefined> {
  try {
    return await using(await versions.open(), async ({ header, modified }) =>
      header.removed ? undefined : { key, etag: etagOf(header), size: header.size, modified },
    );
  } catch (error) {
    if (!StoreDataError.is(error)) throw error;
    return { key, etag: '"damaged"', size: 0, modified: 0 };
  }
}

/** What `act` makes of an open version, which is closed then. */
async function using<T>(
  version: OpenVersion | undefined,
  act: (version: OpenVersion) => Promise<T>,
): Promise<T | undefined> {
  try {
    return version && (await act(version));
  } finally {
    await version?.handle.close();
  }
}

function contended(place: Place): StoreError {
  return new StoreError(
    `Cannot write ${named(place)}: others were faster for ${patienceMs / 1_000} s; let fewer write to it`,
    { ...place, transient: true },
  );
}
