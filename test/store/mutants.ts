/** Drivers with one vice each. Every one has to be noticed by the suite. */
import { createHash } from "node:crypto";
import { systemClock } from "../../src/clock.ts";
import type { StoreDriver, StoredObject } from "../../src/ports/store.ts";
import { memoryDriver } from "../../src/store/drivers/memory.ts";

export const page = 4;

export interface Mutant {
  /** A case that has to fail. */
  readonly noticedBy: string;
  /** Breaks a driver that was good. */
  readonly spoil: (good: StoreDriver) => Partial<StoreDriver>;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(new Uint8Array(piece));
  return Buffer.concat(pieces);
}

const hashed = (body: Uint8Array): string => `"${createHash("md5").update(body).digest("hex")}"`;
const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Answers with other etags than the good driver has, and understands them. */
function renamed(good: StoreDriver, nameOf: (body: Uint8Array) => string): Partial<StoreDriver> {
  const now = async (key: string): Promise<StoredObject | undefined> => {
    const got = await good.get(key);
    return typeof got === "object" ? got : undefined;
  };
  const real = async (key: string, etag: string): Promise<string> => {
    const got = await now(key);
    return got && nameOf(got.body) === etag ? got.etag : "none";
  };
  const put: StoreDriver["put"] = async (key, body, options = {}) => {
    const { condition } = options;
    const translated = typeof condition === "object" ? { ifMatch: await real(key, condition.ifMatch) } : condition;
    const outcome = await good.put(key, body, { ...options, condition: translated });
    return outcome === "lost" ? "lost" : { etag: nameOf(body) };
  };
  return {
    put,
    write: async (key, source, options) => put(key, await collect(source), options),
    async get(key, { ifNoneMatch, ...options } = {}) {
      const got = await good.get(key, options);
      if (typeof got !== "object") return got;
      const etag = nameOf(got.body);
      return etag === ifNoneMatch ? "unchanged" : { ...got, etag };
    },
    async head(key, options) {
      const head = await good.head(key, options);
      return head && { ...head, etag: nameOf((await now(key))!.body) };
    },
    async read(key, { ifMatch, ...options } = {}) {
      const stream = await good.read(key, options);
      if (typeof stream !== "object") return stream;
      const etag = nameOf((await now(key))!.body);
      return ifMatch !== undefined && ifMatch !== etag ? "lost" : { ...stream, etag };
    },
    async remove(key, { ifMatch, ...options } = {}) {
      return good.remove(key, ifMatch === undefined ? options : { ...options, ifMatch: await real(key, ifMatch) });
    },
    async list(prefix, options) {
      const { objects, more } = await good.list(prefix, options);
      return {
        more,
        objects: await Promise.all(
          objects.map(async (each) => ({ ...each, etag: nameOf((await now(each.key))!.body) })),
        ),
      };
    },
  };
}

/** Keys under other names. */
function filed(good: StoreDriver, nameOf: (key: string) => string): Partial<StoreDriver> {
  return {
    get: (key, options) => good.get(nameOf(key), options),
    head: (key, options) => good.head(nameOf(key), options),
    put: (key, body, options) => good.put(nameOf(key), body, options),
    remove: (key, options) => good.remove(nameOf(key), options),
    read: (key, options) => good.read(nameOf(key), options),
    write: (key, source, options) => good.write(nameOf(key), source, options),
  };
}

/** A page of its own making out of all that there is. */
function listed(
  good: StoreDriver,
  choose: (keys: string[], prefix: string, after: string | undefined) => { keys: string[]; more: boolean },
): Partial<StoreDriver> {
  return {
    async list(prefix, { after, signal } = {}) {
      const all = new Map<string, Awaited<ReturnType<StoreDriver["list"]>>["objects"][number]>();
      for (let last: string | undefined, more = true; more;) {
        const answer = await good.list("", { after: last, signal });
        for (const each of answer.objects) all.set(each.key, each);
        ({ more } = answer);
        last = answer.objects.at(-1)?.key;
      }
      const { keys, more } = choose([...all.keys()], prefix, after);
      return { objects: keys.map((key) => all.get(key)!), more };
    },
  };
}

const isAfter = (key: string, after: string | undefined): boolean =>
  after === undefined || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0;
const cut = (keys: string[]): { keys: string[]; more: boolean } => ({
  keys: keys.slice(0, page),
  more: keys.length > page,
});

export const mutants: Readonly<Record<string, Mutant>> = {
  "finds by head what begins with the key": {
    noticedBy: "`head` knows of an object what `list` does, without its bytes",
    spoil: (good) => ({
      head: async (key, options) => {
        const found = (await good.list(key, options)).objects[0];
        return found && { etag: found.etag, size: found.size, modified: found.modified, mark: undefined };
      },
    }),
  },
  "says another size in head": {
    noticedBy: "`head` knows of an object what `list` does, without its bytes",
    spoil: (good) => ({
      head: async (key, options) => {
        const found = await good.head(key, options);
        return found && { ...found, size: found.size + 1 };
      },
    }),
  },
  "says in head that it is of another time": {
    noticedBy: "`head` knows of an object what `list` does, without its bytes",
    spoil: (good) => ({
      head: async (key, options) => {
        const found = await good.head(key, options);
        return found && { ...found, modified: 0 };
      },
    }),
  },
  "forgets marks": {
    noticedBy: "a mark stays until the object is written again",
    spoil: (good) => ({ put: (key, body, options) => good.put(key, body, { ...options, mark: undefined }) }),
  },
  "forgets the marks of streams": {
    noticedBy: "a mark stays with a body of many parts",
    spoil: (good) => ({ write: (key, body, options) => good.write(key, body, { ...options, mark: undefined }) }),
  },
  "keeps a mark for ever": {
    noticedBy: "a mark stays until the object is written again",
    spoil(good) {
      const marks = new Map<string, string>();
      return {
        put: (key, body, options) => {
          if (options?.mark) marks.set(key, options.mark);
          return good.put(key, body, options);
        },
        head: async (key, options) => {
          const found = await good.head(key, options);
          return found && { ...found, mark: found.mark ?? marks.get(key) };
        },
      };
    },
  },
  "gives a checksum that is not that of the object": {
    noticedBy: "a checksum is that of the whole object, if there is one",
    spoil: (good) => ({
      read: async (key, options) => {
        const stream = await good.read(key, options);
        return typeof stream === "object" ? { ...stream, crc32: 1 } : stream;
      },
    }),
  },
  "does not count": {
    noticedBy: "requests are counted by what they do",
    spoil: () => ({ counts: { read: 0, write: 0, list: 0 } }),
  },
  "counts a look at an object as a list": {
    noticedBy: "requests are counted by what they do",
    spoil(good) {
      const counts = { read: 0, write: 0, list: 0 };
      const also =
        <A extends readonly unknown[], R>(kind: keyof typeof counts, act: (...args: A) => R) =>
        (...args: A): R => {
          counts[kind]++;
          return act(...args);
        };
      return {
        counts,
        get: also("read", good.get),
        head: also("list", good.head),
        read: also("read", good.read),
        list: also("list", good.list),
        put: also("write", good.put),
        write: also("write", good.write),
        remove: also("write", good.remove),
      };
    },
  },
  "ignores ifMatch": {
    noticedBy: "`ifMatch` replaces what has this etag, and nothing else",
    spoil: (good) => ({
      put: (key, body, { condition, ...options } = {}) =>
        good.put(key, body, { ...options, condition: condition === "absent" ? condition : undefined }),
    }),
  },
  "ignores ifMatch in write alone": {
    noticedBy: "`ifMatch` replaces what has this etag, and nothing else",
    spoil: (good) => ({
      write: (key, source, { condition, ...options } = {}) =>
        good.write(key, source, { ...options, condition: condition === "absent" ? condition : undefined }),
    }),
  },
  "ignores absent": {
    noticedBy: '"absent" creates where nothing is, and does nothing where something is',
    spoil: (good) => ({
      put: (key, body, { condition, ...options } = {}) =>
        good.put(key, body, { ...options, condition: condition === "absent" ? undefined : condition }),
    }),
  },
  "takes ifMatch for fulfilled where nothing is": {
    noticedBy: "`ifMatch` never holds where nothing is",
    spoil: (good) => ({
      put: async (key, body, options = {}) =>
        good.put(key, body, (await good.get(key)) ? options : { ...options, condition: undefined }),
    }),
  },
  "looks, waits, and writes": {
    noticedBy: "of 50 who create at the same time exactly one does",
    spoil: (good) => ({
      async put(key, body, { condition, signal } = {}) {
        const copy = new Uint8Array(body);
        const got = await good.get(key, { signal });
        await later();
        const etag = typeof got === "object" ? got.etag : undefined;
        const holds = condition === undefined || (condition === "absent" ? !got : etag === condition.ifMatch);
        return holds ? good.put(key, copy, { signal }) : "lost";
      },
    }),
  },
  "looks, waits, and removes": {
    noticedBy: "of many who replace or remove the same at most one does",
    spoil: (good) => ({
      async remove(key, { ifMatch, signal } = {}) {
        const got = await good.get(key, { signal });
        await later();
        return typeof got === "object" && ifMatch !== undefined && got.etag !== ifMatch
          ? "lost"
          : good.remove(key, { signal });
      },
    }),
  },
  "says lost and writes": {
    noticedBy: '"absent" creates where nothing is, and does nothing where something is',
    spoil: (good) => ({
      async put(key, body, options) {
        const outcome = await good.put(key, body, options);
        if (outcome === "lost") await good.put(key, body);
        return outcome;
      },
    }),
  },
  "does not write without a condition": {
    noticedBy: "without a condition the last one holds",
    spoil: (good) => ({
      put: async (key, body, options) => {
        const got = await good.get(key);
        return options?.condition === undefined && typeof got === "object"
          ? { etag: got.etag }
          : good.put(key, body, options);
      },
    }),
  },
  "answers once with what was there before": {
    noticedBy: "every answered write is seen by the next request",
    spoil(good) {
      const before = new Map<string, StoredObject>();
      return {
        async put(key, body, options) {
          const old = await good.get(key, { signal: options?.signal });
          const outcome = await good.put(key, body, options);
          if (typeof old === "object" && outcome !== "lost") before.set(key, old);
          return outcome;
        },
        async get(key, options) {
          const old = before.get(key);
          before.delete(key);
          return old ?? good.get(key, options);
        },
      };
    },
  },
  "lists the first page only": {
    noticedBy: "a long list comes in parts, and nothing is there twice or missing",
    spoil: (good) => ({ list: async (prefix, options) => ({ ...(await good.list(prefix, options)), more: false }) }),
  },
  "says always that there is more": {
    noticedBy: "there is nothing where nothing was put",
    spoil: (good) => ({ list: async (prefix, options) => ({ ...(await good.list(prefix, options)), more: true }) }),
  },
  "says that there is more after a page that is just full": {
    noticedBy: "a long list comes in parts, and nothing is there twice or missing",
    spoil: (good) => ({
      list: async (prefix, options) => {
        const { objects } = await good.list(prefix, options);
        return { objects, more: objects.length === page };
      },
    }),
  },
  "lists in the order of UTF-16": {
    noticedBy: "a list is in the order of UTF-8",
    spoil: (good) =>
      listed(good, (keys, prefix, after) =>
        cut(keys.filter((key) => key.startsWith(prefix) && (after === undefined || key > after)).toSorted()),
      ),
  },
  "lists in the order of making": {
    noticedBy: "a list is in the order of UTF-8",
    spoil: (good) => ({
      list: async (prefix, options) => {
        const { objects, more } = await good.list(prefix, options);
        return {
          objects: objects.toSorted(
            (left, right) => Number.parseInt(left.etag.slice(1), 10) - Number.parseInt(right.etag.slice(1), 10),
          ),
          more,
        };
      },
    }),
  },
  "lists by folders": {
    noticedBy: "a list has the keys with the prefix, wherever it ends",
    spoil: (good) =>
      listed(good, (keys, prefix, after) =>
        cut(
          keys.filter(
            (key) =>
              isAfter(key, after) && (prefix === "" || key === prefix || key.startsWith(prefix.replace(/\/?$/, "/"))),
          ),
        ),
      ),
  },
  "lists from after on, itself included": {
    noticedBy: "a list begins after `after`, whether that exists or not",
    spoil: (good) =>
      listed(good, (keys, prefix, after) =>
        cut(keys.filter((key) => key.startsWith(prefix) && (key === after || isAfter(key, after)))),
      ),
  },
  "lists nothing after what does not exist": {
    noticedBy: "a list begins after `after`, whether that exists or not",
    spoil: (good) =>
      listed(good, (keys, prefix, after) =>
        cut(
          keys.filter(
            (key) => key.startsWith(prefix) && isAfter(key, after) && (after === undefined || keys.includes(after)),
          ),
        ),
      ),
  },
  "lists what was once there": {
    noticedBy: "a list tells what is there now",
    spoil(good) {
      const once = new Map<string, string>();
      return {
        async put(key, body, options) {
          const outcome = await good.put(key, body, options);
          if (outcome !== "lost" && !once.has(key)) once.set(key, outcome.etag);
          return outcome;
        },
        async list(prefix, options) {
          const { objects, more } = await good.list(prefix, options);
          return { objects: objects.map((each) => ({ ...each, etag: once.get(each.key) ?? each.etag })), more };
        },
      };
    },
  },
  "gives an empty page where a page was removed": {
    noticedBy: "what is removed does not stop a list",
    spoil(good) {
      const gone = new Set<string>();
      return {
        async remove(key, options) {
          gone.add(key);
          return good.remove(key, options);
        },
        async list(prefix, options) {
          const answer = await good.list(prefix, options);
          return gone.size > page && options?.after === undefined ? { objects: [], more: true } : answer;
        },
      };
    },
  },
  "does not remove": {
    noticedBy: "removing leaves nothing, also where nothing was",
    spoil: () => ({ remove: async () => "done" as const }),
  },
  "removes all that begins with the key": {
    noticedBy: "removing leaves nothing, also where nothing was",
    spoil: (good) => ({
      async remove(key, options) {
        const outcome = await good.remove(key, options);
        if (outcome === "lost") return outcome;
        for (const each of (await good.list(`${key}/`)).objects) await good.remove(each.key);
        return outcome;
      },
    }),
  },
  "ignores ifMatch when it removes": {
    noticedBy: "`ifMatch` removes what has this etag, and nothing else",
    spoil: (good) => ({ remove: (key, { signal } = {}) => good.remove(key, { signal }) }),
  },
  "says done instead of lost when it removes": {
    noticedBy: "`ifMatch` removes what has this etag, and nothing else",
    spoil: (good) => ({
      async remove(key, options) {
        await good.remove(key, options);
        return "done";
      },
    }),
  },
  "has etags of contents": {
    noticedBy: "an etag does not come back with the contents that it was of",
    spoil: (good) => renamed(good, hashed),
  },
  "has etags of sizes": {
    noticedBy: "different contents never have the same etag",
    spoil: (good) => renamed(good, (body) => `"${body.length}"`),
  },
  "says unchanged of whatever was asked for": {
    noticedBy: '"unchanged" is said of the same etag only',
    spoil: (good) => ({
      async get(key, options) {
        const got = await good.get(key, options);
        return got && options?.ifNoneMatch !== undefined ? "unchanged" : got;
      },
    }),
  },
  "never says unchanged": {
    noticedBy: '"unchanged" is said of the same etag only',
    spoil: (good) => ({ get: (key, { signal } = {}) => good.get(key, { signal }) }),
  },
  "says unchanged where nothing is": {
    noticedBy: '"unchanged" is said of the same etag only',
    spoil: (good) => ({
      async get(key, options) {
        return (await good.get(key, options)) ?? (options?.ifNoneMatch === undefined ? undefined : "unchanged");
      },
    }),
  },
  "gives an empty object where nothing is": {
    noticedBy: "there is nothing where nothing was put",
    spoil: (good) => ({
      get: async (key, options) =>
        (await good.get(key, options)) ?? { etag: '"0"', body: new Uint8Array(), ageMs: undefined },
    }),
  },
  "keeps the buffer of who put it": {
    noticedBy: "what was put does not change when its buffer does",
    spoil(good) {
      const kept = new Map<string, Uint8Array>();
      return {
        async put(key, body, options) {
          const outcome = await good.put(key, body, options);
          if (outcome !== "lost") kept.set(outcome.etag, body);
          return outcome;
        },
        async get(key, options) {
          const got = await good.get(key, options);
          return typeof got === "object" ? { ...got, body: kept.get(got.etag) ?? got.body } : got;
        },
      };
    },
  },
  "puts all of the buffer behind a part of it": {
    noticedBy: "a part of a larger buffer is put without the rest",
    spoil: (good) => ({
      put: (key, body, options) => good.put(key, new Uint8Array(body.buffer), options),
    }),
  },
  "takes bytes for text": {
    noticedBy: "what was put is there, byte by byte",
    spoil: (good) => ({
      put: (key, body, options) => good.put(key, Buffer.from(Buffer.from(body).toString()), options),
    }),
  },
  "tells another size in lists": {
    noticedBy: "every request gives the same etag and size, and an age where there is one",
    spoil: (good) => ({
      async list(prefix, options) {
        const { objects, more } = await good.list(prefix, options);
        return { objects: objects.map((each) => ({ ...each, size: each.size + 256 })), more };
      },
    }),
  },
  "tells the size of the part": {
    noticedBy: "a part of a body is from `start` up to `end`",
    spoil: (good) => ({
      async read(key, options = {}) {
        const stream = await good.read(key, options);
        if (typeof stream !== "object") return stream;
        const { start = 0, end = Infinity } = options;
        return { ...stream, size: Math.max(0, Math.min(end, stream.size) - start) };
      },
    }),
  },
  "reads one byte too many": {
    noticedBy: "a part of a body is from `start` up to `end`",
    spoil: (good) => ({
      read: (key, options = {}) =>
        good.read(key, options.end === undefined ? options : { ...options, end: options.end + 1 }),
    }),
  },
  "refuses a part beyond the end": {
    noticedBy: "an empty body has no part but the empty one",
    spoil: (good) => ({
      async read(key, options = {}) {
        const stream = await good.read(key, options);
        if (typeof stream === "object" && (options.start ?? 0) >= stream.size && options.start !== undefined)
          throw new Error("416");
        return stream;
      },
    }),
  },
  "counts parts in pieces": {
    noticedBy: "parts of a large body are where they were",
    spoil: (good) => ({
      read: (key, options = {}) =>
        good.read(key, {
          ...options,
          start: (options.start ?? 0) > 1_000 ? Math.floor(options.start! / 1_024) * 1_024 : options.start,
        }),
    }),
  },
  "gives a large body in one piece and cut": {
    noticedBy: "a large body is read piece by piece",
    spoil: (good) => ({
      read: (key, options = {}) => good.read(key, { ...options, end: Math.min(options.end ?? Infinity, 1_048_576) }),
    }),
  },
  "ignores ifMatch when it reads": {
    noticedBy: "reading is lost when the object has another etag",
    spoil: (good) => ({ read: (key, options) => good.read(key, { ...options, ifMatch: undefined }) }),
  },
  "says lost where nothing is": {
    noticedBy: "reading is lost when the object has another etag",
    spoil: (good) => ({
      read: async (key, options) =>
        (await good.read(key, options)) ?? (options?.ifMatch === undefined ? undefined : "lost"),
    }),
  },
  "reads each piece from what is there now": {
    noticedBy: "who has begun to read reads that one version to its end",
    spoil: (good) => ({
      async read(key, options = {}) {
        const stream = await good.read(key, options);
        if (typeof stream !== "object") return stream;
        const { start = 0, end = stream.size } = options;
        async function* body(): AsyncGenerator<Uint8Array> {
          for (let at = start; at < Math.min(end, (stream as { size: number }).size); at += 65_536) {
            const part = await good.read(key, { ...options, start: at, end: Math.min(at + 65_536, end) });
            if (typeof part === "object") yield* part.body;
          }
        }
        return { ...stream, body: body() };
      },
    }),
  },
  "leaves a part of a write that failed": {
    noticedBy: "a write whose source throws leaves nothing",
    spoil: (good) => ({
      async write(key, source, options) {
        const pieces: Uint8Array[] = [];
        async function* noted(): AsyncGenerator<Uint8Array> {
          for await (const piece of source) {
            pieces.push(piece);
            yield piece;
          }
        }
        try {
          return await good.write(key, noted(), options);
        } catch (error) {
          if (pieces.length > 0) await good.put(key, Buffer.concat(pieces));
          throw error;
        }
      },
    }),
  },
  "does something else before it asks the source": {
    noticedBy: "a source is asked at once, so that a stream that fails has somebody who listens",
    spoil: (good) => ({
      async write(key, source, options) {
        await later();
        return good.write(key, source, options);
      },
    }),
  },
  "shows what is being written": {
    noticedBy: "nothing of a body is seen before all of it is there",
    spoil: (good) => ({
      async write(key, source, options = {}) {
        if (options.condition !== undefined) return good.write(key, source, options);
        const pieces: Uint8Array[] = [];
        for await (const piece of source) {
          pieces.push(new Uint8Array(piece));
          await good.put(key, Buffer.concat(pieces));
        }
        return good.put(key, Buffer.concat(pieces), options);
      },
    }),
  },
  "judges the condition of a write before its body is there": {
    noticedBy: "the condition of a write is judged when the body is there",
    spoil: (good) => ({
      async write(key, source, { condition, signal } = {}) {
        const got = await good.get(key, { signal });
        const etag = typeof got === "object" ? got.etag : undefined;
        const holds = condition === undefined || (condition === "absent" ? !got : etag === condition.ifMatch);
        return holds ? good.write(key, source, { signal }) : "lost";
      },
    }),
  },
  "keeps the pieces of a source as they are": {
    noticedBy: "a source may use its buffer again for the next piece",
    spoil: (good) => ({
      async write(key, source, options) {
        const pieces: Uint8Array[] = [];
        for await (const piece of source) pieces.push(piece);
        return good.put(key, Buffer.concat(pieces), options);
      },
    }),
  },
  "forgets a short piece at the end": {
    noticedBy: "a body is written from many pieces of any size",
    spoil: (good) => ({
      async write(key, source, options) {
        const body = await collect(source);
        return good.put(
          key,
          body.length > 65_536 ? body.subarray(0, body.length - (body.length % 1_024)) : body,
          options,
        );
      },
    }),
  },
  "writes into what is read": {
    noticedBy: "a body is read whole while others write",
    spoil(good) {
      const kept = new Map<string, Uint8Array>();
      return {
        async put(key, body, options) {
          const outcome = await good.put(key, body, options);
          const shared = kept.get(key) ?? new Uint8Array(1_000_000);
          shared.set(body.subarray(0, shared.length));
          kept.set(key, shared);
          return outcome;
        },
        async read(key, options) {
          const stream = await good.read(key, options);
          const shared = kept.get(key);
          if (typeof stream !== "object" || !shared || stream.size < 100_000) return stream;
          async function* body(): AsyncGenerator<Uint8Array> {
            for (let at = 0; at < (stream as { size: number }).size; at += 65_536) {
              await later();
              yield new Uint8Array(shared!.subarray(at, Math.min(at + 65_536, (stream as { size: number }).size)));
            }
          }
          return { ...stream, body: body() };
        },
      };
    },
  },
  "cannot write two bodies at the same time": {
    noticedBy: "of many who write to the same key at the same time exactly one creates it",
    spoil(good) {
      let shared: Uint8Array[] = [];
      return {
        async write(key, source, options) {
          shared = [];
          for await (const piece of source) {
            shared.push(new Uint8Array(piece));
            await later();
          }
          return good.put(key, Buffer.concat(shared), options);
        },
      };
    },
  },
  "takes upper case for lower case": {
    noticedBy: "keys that differ only in case are different",
    spoil: (good) => filed(good, (key) => key.toLowerCase()),
  },
  "tidies paths": {
    noticedBy: "odd keys are keys like any other",
    spoil: (good) => filed(good, (key) => key.replaceAll(/\/+/g, "/")),
  },
  "drops control characters": {
    noticedBy: "control characters are allowed in keys",
    spoil: (good) => filed(good, (key) => key.replaceAll(/\p{Cc}/gu, "") || "none"),
  },
  "cuts long keys": {
    noticedBy: "keys have up to 900 bytes, however they are divided",
    spoil: (good) => filed(good, (key) => (key.length > 255 ? key.slice(0, 255) : key)),
  },
  "takes a key for a folder": {
    noticedBy: "a key may be the beginning of others",
    spoil: (good) => filed(good, (key) => (key.endsWith("/") ? key.slice(0, -1) : key)),
  },
  "decodes keys": {
    noticedBy: "any keys are kept apart, and are as they were",
    spoil: (good) => filed(good, (key) => key.replaceAll("+", " ")),
  },
  "takes any string for a key": {
    noticedBy: "what is no key is refused, and so is a key of more than 900 bytes",
    spoil: (good) => filed(good, (key) => (key === "" ? "empty" : key)),
  },
  "has no name": {
    noticedBy: "the store has a name and prices",
    spoil: () => ({ name: "" }),
  },
  "does not look at signals": {
    noticedBy: "a request whose signal has aborted before does nothing",
    spoil: (good) => ({ put: (key, body, { condition } = {}) => good.put(key, body, { condition }) }),
  },
  "writes after it has said that it was aborted": {
    noticedBy: "a write that is aborted is done, or fails and is not done, or says that it may be",
    spoil: (good) => ({
      async put(key, body, { signal, ...options } = {}) {
        const outcome = await good.put(key, body, options);
        for (let turn = 0; turn < 10; turn++) await later();
        signal?.throwIfAborted();
        return outcome;
      },
    }),
  },
  "waits for a silent source whatever its signal says": {
    noticedBy: "a signal ends a write whose source keeps silent, and nothing is left",
    spoil: (good) => ({
      async write(key, source, { signal, ...options } = {}) {
        signal?.throwIfAborted();
        return good.write(key, source, options);
      },
    }),
  },
  "reads on whatever its signal says": {
    noticedBy: "a signal ends reading",
    spoil: (good) => ({
      async read(key, { signal, ...options } = {}) {
        signal?.throwIfAborted();
        return good.read(key, options);
      },
    }),
  },
  "fails when a signal aborts afterwards": {
    noticedBy: "a signal that aborts afterwards changes nothing",
    spoil: (good) => ({
      async put(key, body, options = {}) {
        const outcome = await good.put(key, body, options);
        options.signal?.addEventListener("abort", () => void good.remove(key));
        return outcome;
      },
    }),
  },
  "cannot be closed": {
    noticedBy: "a closed driver refuses everything, and may be closed again",
    spoil: () => ({ close: async () => undefined }),
  },
  "reads on when it is closed": {
    noticedBy: "closing ends what is under way",
    spoil: (good) => ({
      async read(key, options) {
        const stream = await good.read(key, options);
        if (typeof stream !== "object") return stream;
        async function* body(whole: Uint8Array): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < whole.length; at += 65_536) yield whole.slice(at, at + 65_536);
        }
        return { ...stream, body: body(await collect(stream.body)) };
      },
    }),
  },
  "cannot let go of a reader": {
    noticedBy: "a reader may leave early, and what it read stays as it was",
    spoil: (good) => ({
      async read(key, options) {
        const stream = await good.read(key, options);
        if (typeof stream !== "object") return stream;
        const iterator = stream.body[Symbol.asyncIterator]();
        const body = { next: () => iterator.next(), return: () => Promise.reject(new Error("it is being read")) };
        return { ...stream, body: { [Symbol.asyncIterator]: () => body } };
      },
    }),
  },
  "forgets one of many lines": {
    noticedBy: "50 who add to the same object at the same time lose nothing",
    spoil(good) {
      let puts = 0;
      return {
        async put(key, body, options) {
          const isSpoilt = typeof options?.condition === "object" && ++puts % 20 === 0;
          return good.put(key, body, isSpoilt ? { ...options, condition: undefined } : options);
        },
      };
    },
  },
};

/** A good driver but for one vice. */
export function spoilt({ spoil }: Mutant): StoreDriver {
  const good = memoryDriver({ clock: systemClock, page });
  return { ...good, ...spoil(good) };
}
