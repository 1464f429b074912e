/**
 * Objects in a folder, for all processes of one machine: `<folder>/<segments of the key>/@/<number of the version>`. Nothing is ever locked,
 * so a process that dies or is stopped is in nobody's way. The folder has to be on a file system with hard links, and not on a network.
 *
 * What was answered lasts: bodies and names are on the disk by then. Of a key that was removed a file without a body stays, so that its
 * numbers go on.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { StoreDataError, StoreError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Condition, ObjectInfo, PutOutcome, StoreDriver } from "../../ports/store.ts";
import { Body, readWhole } from "./file-body.ts";
import { type Place, explained, named } from "./file-errors.ts";
import { type Header, etagOf } from "./file-header.ts";
import { keysBelow } from "./file-list.ts";
import { clearStages, Stage } from "./file-stage.ts";
import { type OpenVersion, Versions } from "./file-versions.ts";
import { checkKey } from "./keys.ts";
import { unlessSilent } from "./sources.ts";

export interface FileOptions {
  /** It is made when something is written. */
  readonly folder: string;
  readonly clock: Clock;
  /** Objects of one answer of `list`. Default: 1000. */
  readonly page?: number;
}

/** How long a write tries to be the next one. */
const patienceMs = 30_000;

export function fileDriver({ folder, clock, page = 1_000 }: FileOptions): StoreDriver {
  const root = resolve(folder);
  const name = pathToFileURL(root).href;
  const closing = new AbortController();
  const busy = new Set<Promise<unknown>>();
  const bodies = new Set<Body>();
  let cleared: Promise<void> | undefined;

  /** One request: refused when it must not begin, known until it ends, and its errors made understood. */
  const request = <T>(
    { action, key, signal }: { action: string; key?: string; signal: AbortSignal | undefined },
    act: (check: () => void) => Promise<T>,
  ): Promise<T> => {
    const run = async (): Promise<T> => {
      try {
        if (key !== undefined) checkKey(key);
        const check = (): void => signalsOf(signal).forEach((each) => each.throwIfAborted());
        check();
        return await act(check);
      } catch (error) {
        throw explained(error, action, { store: name, key });
      }
    };
    const running = run();
    busy.add(running);
    const settle = (): void => void busy.delete(running);
    running.then(settle, settle);
    return running;
  };
  const signalsOf = (signal: AbortSignal | undefined): AbortSignal[] => [closing.signal, ...(signal ? [signal] : [])];
  const versionsOf = (key: string): Versions => new Versions(root, name, key);

  const stage = async (): Promise<Stage> => {
    const made = await Stage.create(root);
    await (cleared ??= clearStages(root, clock.wall()));
    return made;
  };

  /** Tries to make the next version until it is, or until `decide` says that there is to be none. */
  const change = async <T>(
    versions: Versions,
    check: () => void,
    decide: (before: Header | undefined) => T | undefined,
    add: (before: Header | undefined) => Promise<Header | undefined>,
  ): Promise<T | Header> => {
    const end = clock.now() + patienceMs;
    for (;;) {
      check();
      const before = await versions.look();
      const decided = decide(before);
      if (decided !== undefined) return decided;
      const made = await add(before);
      if (made) return made;
      if (clock.now() > end) throw contended(versions.place);
    }
  };

  return {
    name,
    prices: { read: 0, write: 0 },
    get(key, { ifNoneMatch, signal } = {}) {
      return request({ action: "read", key, signal }, async (check) => {
        const versions = versionsOf(key);
        return using(await versions.open(), async (version) => {
          if (version.header.removed) return undefined;
          const etag = etagOf(version.header);
          if (etag === ifNoneMatch) return "unchanged";
          const body = await readWhole(version, versions.place);
          check();
          return { etag, body, ageMs: Math.max(0, clock.wall() - version.modified) };
        });
      });
    },
    put(key, body, { condition, signal } = {}) {
      const copy = new Uint8Array(body);
      return request({ action: "write", key, signal }, async (check) => {
        let staged: Stage | undefined;
        const versions = versionsOf(key);
        try {
          const add = async (before: Header | undefined): Promise<Header | undefined> => {
            if (!staged) await (staged = await stage()).append(copy);
            check();
            return versions.add(before, staged, staged.content);
          };
          return outcomeOf(await change(versions, check, losesBy(condition), add));
        } finally {
          await staged?.discard();
        }
      });
    },
    remove(key, { ifMatch, signal } = {}) {
      return request({ action: "remove", key, signal }, async (check) => {
        let staged: Stage | undefined;
        const versions = versionsOf(key);
        const decide = (before: Header | undefined): "done" | "lost" | undefined => {
          if (!before || before.removed) return "done";
          return ifMatch !== undefined && etagOf(before) !== ifMatch ? "lost" : undefined;
        };
        try {
          const add = async (before: Header | undefined): Promise<Header | undefined> =>
            versions.add(before, (staged ??= await stage()), "removed");
          const answer = await change(versions, check, decide, add);
          return typeof answer === "string" ? answer : "done";
        } finally {
          await staged?.discard();
        }
      });
    },
    list(prefix, { after, signal } = {}) {
      return request({ action: "list", signal }, async (check) => {
        const objects: ObjectInfo[] = [];
        for await (const key of keysBelow(root, { prefix, after })) {
          check();
          const info = await infoOf(key, versionsOf(key));
          if (info && objects.length === page) return { objects, more: true };
          if (info) objects.push(info);
        }
        return { objects, more: false };
      });
    },
    read(key, { start = 0, end = Infinity, ifMatch, signal } = {}) {
      return request({ action: "read", key, signal }, async (check) => {
        const versions = versionsOf(key);
        const version = await versions.open();
        if (!version) return undefined;
        const { header } = version;
        const etag = etagOf(header);
        const isLost = ifMatch !== undefined && ifMatch !== etag;
        if (header.removed || isLost) {
          await version.handle.close();
          return header.removed ? undefined : "lost";
        }
        const body = new Body(version, { place: versions.place, start, end, check });
        bodies.add(body);
        const stop = (): void => void body.close().catch(() => undefined);
        signal?.addEventListener("abort", stop);
        void body.closed.then(() => {
          bodies.delete(body);
          signal?.removeEventListener("abort", stop);
        });
        if (signal?.aborted) stop();
        return { etag, size: header.size, body };
      });
    },
    async write(key, source, { condition, signal } = {}) {
      // What the source throws is its own, also when it is an error of the system.
      let failure: { readonly error: unknown } | undefined;
      const writing = request({ action: "write", key, signal }, async (check) => {
        let staged: Stage | undefined;
        const versions = versionsOf(key);
        try {
          // The source comes first: a stream that fails while nobody listens ends the process.
          for await (const piece of unlessSilent(source, signalsOf(signal), (error) => (failure = { error })))
            await (staged ??= await stage()).append(piece);
          const whole = (staged ??= await stage());
          const add = (before: Header | undefined): Promise<Header | undefined> =>
            versions.add(before, whole, whole.content);
          return outcomeOf(await change(versions, check, losesBy(condition), add));
        } finally {
          await staged?.discard();
        }
      });
      return writing.catch((error: unknown) => {
        throw failure ? failure.error : error;
      });
    },
    async close() {
      closing.abort(new StoreError(`Cannot use store ${name}: it is closed`, { store: name }));
      await Promise.allSettled(busy);
      await Promise.all([...bodies].map((body) => body.close()));
    },
  };
}

/** "lost" when the condition does not hold. */
function losesBy(condition: Condition | undefined): (before: Header | undefined) => "lost" | undefined {
  return (before) => {
    const there = before && !before.removed ? before : undefined;
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
