/** Values that are computed once, whoever asks for them first on whichever machine. */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Duration } from "../duration.ts";
import { AbortError } from "../errors.ts";
import { refuseUnknown, show } from "../options.ts";
import { unlessAborted } from "../waiting.ts";
import type { Commits } from "./commits.ts";
import type { Leases } from "./leases.ts";
import { textOf, valueOf } from "./record.ts";
import type { Requests } from "./requests.ts";
import { type StandardSchema, resolveSchema, validated } from "./schema.ts";

export interface MemoOptions<T> {
  /** What the value has to be, when it is computed and when it is read back. */
  readonly schema?: StandardSchema<T> | undefined;
  /** After how long without a sign of life another machine computes in place of one that is gone. Default: "30s". */
  readonly ttl?: Duration | undefined;
  /** Stops waiting. The computation ends when nobody of this process waits any more. */
  readonly signal?: AbortSignal | undefined;
}

export interface MemoContext {
  /** Aborts when nobody waits for the value any more, or another machine may be computing it. */
  readonly signal: AbortSignal;
}

export interface MemoDeps {
  readonly requests: Requests;
  readonly leases: Leases;
  readonly commitsOf: (key: string) => Commits;
}

interface Running {
  readonly result: Promise<string>;
  readonly ending: AbortController;
  waiting: number;
}

const timeoutMs = 30_000;

/** Memos that are being computed, by whatever asks for another one. */
const computing = new AsyncLocalStorage<readonly { readonly memos: Memos; readonly key: string }[]>();

export class Memos {
  readonly #deps: MemoDeps;
  /** One computation in this process for each key. */
  readonly #running = new Map<string, Running>();

  constructor(deps: MemoDeps) {
    this.#deps = deps;
  }

  async get<T>(
    key: string,
    compute: (context: MemoContext) => T | PromiseLike<T>,
    options: MemoOptions<T>,
  ): Promise<T> {
    const { schema: given, ttl, signal, ...rest } = options;
    refuseUnknown(rest, ["schema", "ttl", "signal"], `memo "${key}"`);
    if (typeof compute !== "function")
      throw new TypeError(`Cannot compute memo "${key}" with ${show(compute)}: a function is wanted`);
    const schema = resolveSchema(given, `memo "${key}"`);
    if (signal?.aborted) throw this.#aborted(key, signal);
    if (computing.getStore()?.some((each) => each.memos === this && each.key === key))
      throw new TypeError(`Cannot ask for memo "${key}" while it is being computed: it would wait for itself`);
    const running = this.#running.get(key) ?? this.#start(key, compute, schema, ttl);
    running.waiting++;
    try {
      const text = await unlessAborted(running.result, [signal], (by) => this.#aborted(key, by));
      const facts = this.#facts(key);
      const value = valueOf(text, `memo "${key}" of ${facts.store}`, facts);
      return (await validated(schema, value, `read memo "${key}" of ${facts.store}`, facts)) as T;
    } finally {
      if (--running.waiting === 0) running.ending.abort(this.#aborted(key, signal));
    }
  }

  #start(
    key: string,
    compute: (context: MemoContext) => unknown,
    schema: StandardSchema | undefined,
    ttl: Duration | undefined,
  ): Running {
    const ending = new AbortController();
    const result = this.#compute(key, compute, schema, ttl, ending.signal).finally(() => {
      if (this.#running.get(key) === running) this.#running.delete(key);
    });
    result.catch(() => {});
    // Who comes after the last one has left begins anew.
    ending.signal.addEventListener("abort", () => this.#running.get(key) === running && this.#running.delete(key));
    const running: Running = { result, ending, waiting: 0 };
    this.#running.set(key, running);
    return running;
  }

  async #compute(
    key: string,
    compute: (context: MemoContext) => unknown,
    schema: StandardSchema | undefined,
    ttl: Duration | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const commits = this.#deps.commitsOf(key);
    const facts = this.#facts(key);
    const make = async (either: AbortSignal): Promise<string> => {
      const inside = [...(computing.getStore() ?? []), { memos: this, key }];
      const value = await computing.run(inside, async () => compute({ signal: either }));
      const valid = await validated(schema, value, `write memo "${key}" of ${facts.store}`, facts);
      return textOf(valid, `memo "${key}"`);
    };
    for (let rounds = 1; ; rounds++) {
      const { text } = await commits.read(signal);
      if (text !== undefined) return text;
      const lease = await this.#deps.leases.lock(`.tinderbox/memo/${key}`, {
        signal,
        ...(ttl === undefined ? {} : { ttl }),
      });
      try {
        // Whoever had it before may have done it.
        const again = await commits.read(signal);
        if (again.text !== undefined) return again.text;
        const made = await make(AbortSignal.any([signal, lease.signal]));
        // The first one to be written stays.
        return await commits.update({ apply: (before) => Promise.resolve(before ?? made), lease, timeoutMs, signal });
      } catch (error) {
        // Another machine may be computing by now. What else is lost is the computation's own affair.
        if (!lease.signal.aborted) throw error;
      } finally {
        await lease.release();
      }
      await this.#deps.requests.pause(this.#deps.requests.pauseMs(rounds), signal);
    }
  }

  #aborted(key: string, signal: AbortSignal | undefined): AbortError {
    return new AbortError(`Cannot wait for memo "${key}" of ${this.#deps.requests.name}: it was aborted`, {
      cause: signal?.reason,
    });
  }

  #facts(key: string): { readonly store: string; readonly key: string } {
    return { store: this.#deps.requests.name, key };
  }
}
