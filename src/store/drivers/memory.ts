/** Objects in this process, for tests and for what needs no second machine. It forgets with the process. */
import { StoreError } from "../../errors.ts";
import { checkKey } from "../../keys.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Condition, StoreDriver, StoredObject, Tally } from "../../ports/store.ts";
import { compareKeys } from "./keys.ts";
import { unlessSilent } from "./sources.ts";

export interface MemoryOptions {
  readonly clock: Clock;
  /** Objects of one answer of `list`. Default: 1000. */
  readonly page?: number;
}

interface Kept extends Omit<StoredObject, "ageMs"> {
  readonly modified: number;
  readonly mark: string | undefined;
}

const pieceBytes = 64 * 1024;

export function memoryDriver({ clock, page = 1_000 }: MemoryOptions): StoreDriver {
  const name = "memory:";
  const objects = new Map<string, Kept>();
  const counts: Tally = { read: 0, write: 0, list: 0 };
  let made = 0;
  const closing = new AbortController();
  const signalsOf = (signal: AbortSignal | undefined): AbortSignal[] => [closing.signal, ...(signal ? [signal] : [])];
  // Others have their turn between a request and its answer, as with any other store.
  const turn = async (kind: keyof Tally, signal: AbortSignal | undefined, key?: string): Promise<void> => {
    begin(kind, signal, key);
    await Promise.resolve();
    check(signal);
  };
  const begin = (kind: keyof Tally, signal: AbortSignal | undefined, key?: string): void => {
    if (key !== undefined) checkKey(key, "an object");
    check(signal);
    counts[kind]++;
  };
  const check = (signal: AbortSignal | undefined): void => {
    for (const each of signalsOf(signal)) each.throwIfAborted();
  };
  async function* pieces(body: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < body.length; at += pieceBytes) {
      await Promise.resolve();
      check(signal);
      yield new Uint8Array(body.subarray(at, at + pieceBytes));
    }
  }
  const holds = (key: string, condition: Condition | undefined): boolean => {
    const found = objects.get(key);
    return condition === undefined || (condition === "absent" ? !found : found?.etag === condition.ifMatch);
  };
  const keep = (key: string, body: Uint8Array, mark: string | undefined): { etag: string } => {
    const etag = `"${++made}"`;
    objects.set(key, { etag, body, mark, modified: clock.wall() });
    return { etag };
  };
  return {
    name,
    counts,
    prices: { read: 0, write: 0 },
    async get(key, { ifNoneMatch, signal } = {}) {
      await turn("read", signal, key);
      const found = objects.get(key);
      if (!found) return undefined;
      if (found.etag === ifNoneMatch) return "unchanged";
      return { etag: found.etag, body: new Uint8Array(found.body), ageMs: Math.max(0, clock.wall() - found.modified) };
    },
    async head(key, { signal } = {}) {
      await turn("read", signal, key);
      const found = objects.get(key);
      return found && { etag: found.etag, size: found.body.length, modified: found.modified, mark: found.mark };
    },
    async put(key, body, { condition, mark, signal } = {}) {
      const copy = new Uint8Array(body);
      await turn("write", signal, key);
      return holds(key, condition) ? keep(key, copy, mark) : "lost";
    },
    async remove(key, { ifMatch, signal } = {}) {
      await turn("write", signal, key);
      if (ifMatch !== undefined && !holds(key, { ifMatch })) return objects.has(key) ? "lost" : "done";
      objects.delete(key);
      return "done";
    },
    async list(prefix, { after, signal } = {}) {
      await turn("list", signal);
      const keys = [...objects.keys()].filter(
        (key) => key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0),
      );
      const found = keys.toSorted(compareKeys).slice(0, page);
      return {
        objects: found.map((key) => {
          const { etag, body, modified } = objects.get(key)!;
          return { key, etag, size: body.length, modified };
        }),
        more: found.length < keys.length,
      };
    },
    async read(key, { start = 0, end = Infinity, ifMatch, signal } = {}) {
      await turn("read", signal, key);
      const found = objects.get(key);
      if (!found) return undefined;
      const { etag, body } = found;
      if (ifMatch !== undefined && ifMatch !== etag) return "lost";
      const part = body.subarray(Math.min(start, body.length), Math.max(start, Math.min(end, body.length)));
      return { etag, size: body.length, body: pieces(part, signal) };
    },
    async write(key, body, { condition, mark, signal } = {}) {
      begin("write", signal, key);
      // The source is asked at once: a stream that fails while nobody listens ends the process.
      const parts: Uint8Array[] = [];
      for await (const part of unlessSilent(body, signalsOf(signal))) parts.push(new Uint8Array(part));
      return holds(key, condition) ? keep(key, Buffer.concat(parts), mark) : "lost";
    },
    async close() {
      closing.abort(new StoreError(`Cannot use store ${name}: it is closed`, { store: name }));
      objects.clear();
    },
  };
}
