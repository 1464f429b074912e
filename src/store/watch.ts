/** Who watches cells, and how often the store is asked for them. */
import { type Duration, formatDuration, resolveDuration } from "../duration.ts";
import { AbortError } from "../errors.ts";
import { refuseUnknown } from "../options.ts";
import type { Timer } from "../ports/clock.ts";
import type { Commits } from "./commits.ts";
import type { CellState } from "./record.ts";
import { type Requests, isTransient } from "./requests.ts";

export interface WatchOptions {
  /** How often the store is asked. Each time is one read, which S3 charges. Default: "5s". Least: "100ms". */
  readonly every?: Duration | undefined;
  /** Ends the loop with an AbortError. */
  readonly signal?: AbortSignal | undefined;
}

interface ResolvedWatch {
  readonly everyMs: number;
  readonly signal: AbortSignal | undefined;
}

const defaultEveryMs = 5_000;
const leastEveryMs = 100;
const hourMs = 3_600_000;

export function watchOptions({ every, signal, ...rest }: WatchOptions, owner: string): ResolvedWatch {
  refuseUnknown(rest, ["every", "signal"], owner);
  const everyMs = every === undefined ? defaultEveryMs : resolveDuration(every, "every");
  if (everyMs < leastEveryMs)
    throw new TypeError(
      `Cannot use ${formatDuration(everyMs)} as every: a watch asks at most every ${leastEveryMs} ms`,
    );
  return { everyMs, signal };
}

/** All watches of one cell share its polls: the most frequent one decides. */
interface Poll {
  readonly wanted: Map<symbol, number>;
  timer: Timer | undefined;
  /** Monotonic time of the last look. */
  at: number;
  failures: number;
  /** What will not pass: told to all who watch. */
  readonly fail: Set<(error: unknown) => void>;
}

export class Watches {
  readonly #requests: Requests;
  readonly #failing: (key: Commits, error: unknown) => void;
  readonly #polls = new Map<Commits, Poll>();
  readonly #closing = new AbortController();

  /** `failing` is called when a poll fails for the first time after one that did not. */
  constructor(requests: Requests, failing: (key: Commits, error: unknown) => void) {
    this.#requests = requests;
    this.#failing = failing;
  }

  get count(): number {
    return [...this.#polls.values()].reduce((sum, { wanted }) => sum + wanted.size, 0);
  }

  /** Reads an hour while nothing changes. */
  get requestsPerHour(): number {
    return [...this.#polls.values()].reduce((sum, { wanted }) => sum + hourMs / Math.min(...wanted.values()), 0);
  }

  /** The state now, and then each other that this process learns of, the latest one only. */
  async *follow(commits: Commits, { everyMs, signal }: ResolvedWatch): AsyncGenerator<CellState, void, undefined> {
    const aborted = (): AbortError =>
      new AbortError("Cannot watch any longer: it was aborted", {
        cause: signal?.aborted ? signal.reason : this.#closing.signal.reason,
      });
    if (signal?.aborted || this.#closing.signal.aborted) throw aborted();
    const me = Symbol("watch");
    let seen: CellState | undefined;
    let wake = Promise.withResolvers<void>();
    wake.promise.catch(() => {});
    const end = (): void => wake.reject(aborted());
    const fail = (error: unknown): void => wake.reject(error);
    const unwatch = commits.watch(() => wake.resolve());
    signal?.addEventListener("abort", end, { once: true });
    this.#closing.signal.addEventListener("abort", end, { once: true });
    try {
      const first = await commits.read(signal);
      this.#join(commits, me, everyMs, fail);
      for (let state: CellState | undefined = commits.known ?? first; ; state = commits.known) {
        if (signal?.aborted || this.#closing.signal.aborted) throw aborted();
        if (state && (!seen || state.etag !== seen.etag)) {
          seen = state;
          yield state;
          continue;
        }
        await wake.promise;
        wake = Promise.withResolvers<void>();
        wake.promise.catch(() => {});
      }
    } finally {
      unwatch();
      signal?.removeEventListener("abort", end);
      this.#closing.signal.removeEventListener("abort", end);
      this.#leave(commits, me, fail);
    }
  }

  close(reason: unknown): void {
    this.#closing.abort(reason);
    for (const { timer } of this.#polls.values()) timer?.cancel();
    this.#polls.clear();
  }

  #join(commits: Commits, me: symbol, everyMs: number, fail: (error: unknown) => void): void {
    let poll = this.#polls.get(commits);
    if (!poll) {
      poll = { wanted: new Map(), timer: undefined, at: this.#requests.deps.clock.now(), failures: 0, fail: new Set() };
      this.#polls.set(commits, poll);
    }
    poll.wanted.set(me, everyMs);
    poll.fail.add(fail);
    this.#arm(commits, poll);
  }

  #leave(commits: Commits, me: symbol, fail: (error: unknown) => void): void {
    const poll = this.#polls.get(commits);
    if (!poll) return;
    poll.wanted.delete(me);
    poll.fail.delete(fail);
    poll.timer?.cancel();
    if (poll.wanted.size === 0) this.#polls.delete(commits);
    else this.#arm(commits, poll);
  }

  #arm(commits: Commits, poll: Poll): void {
    const { clock } = this.#requests.deps;
    const everyMs = Math.min(...poll.wanted.values());
    const due = poll.at + Math.max(everyMs, poll.failures > 0 ? this.#requests.pauseMs(poll.failures) : 0);
    poll.timer?.cancel();
    poll.timer = clock.timer(Math.max(0, due - clock.now()), () => void this.#look(commits, poll));
    poll.timer.hold(true);
  }

  async #look(commits: Commits, poll: Poll): Promise<void> {
    poll.timer = undefined;
    try {
      await commits.read(this.#closing.signal, Math.min(...poll.wanted.values()));
      poll.failures = 0;
    } catch (error) {
      if (!isTransient(error)) for (const fail of poll.fail) fail(error);
      else if (++poll.failures === 1) this.#failing(commits, error);
    }
    poll.at = this.#requests.deps.clock.now();
    if (this.#polls.get(commits) === poll && !poll.timer) this.#arm(commits, poll);
  }
}
