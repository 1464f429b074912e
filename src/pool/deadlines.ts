/** Many clocks, one timer: most waits of a pool share a few lengths, so each length keeps a line in order of expiry. */
import type { Clock, Timer } from "../ports/clock.ts";

interface Entry {
  readonly at: number;
  expire: (() => void) | undefined;
  /** Where it is kept until it is due. */
  line: Line | undefined;
}

/** One wait. */
export interface Deadline {
  cancel(): void;
}

interface Line {
  entries: Entry[];
  cancelled: number;
}

/** A timer that is later than this says more about this process than about time. */
const lateMs = 100;

const never: Deadline = { cancel() {} };

export class Deadlines {
  readonly #clock: Clock;
  readonly #lines = new Map<number, Line>();
  #timer: Timer | undefined;
  #firesAt = Infinity;
  /** A turn of the event loop was given to what has come. */
  #waited = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits that are kept, cancelled ones that still take memory included. */
  get size(): number {
    let size = 0;
    for (const line of this.#lines.values()) size += line.entries.length;
    return size;
  }

  /** Calls `expire` once, `delayMs` from now, unless cancelled. `Infinity` never expires. */
  add(delayMs: number, expire: () => void): Deadline {
    if (delayMs === Infinity) return never;
    const at = this.#clock.now() + delayMs;
    let line = this.#lines.get(delayMs);
    if (!line) this.#lines.set(delayMs, (line = { entries: [], cancelled: 0 }));
    const entry: Entry = { at, expire, line };
    line.entries.push(entry);
    if (at < this.#firesAt) this.#arm(at);
    return { cancel: () => this.#cancel(delayMs, entry) };
  }

  close(): void {
    this.#timer?.cancel();
    this.#lines.clear();
    this.#firesAt = Infinity;
  }

  #cancel(delayMs: number, entry: Entry): void {
    const { line } = entry;
    if (!entry.expire) return;
    entry.expire = undefined;
    if (!line || this.#lines.get(delayMs) !== line) return;
    line.cancelled++;
    // Most waits end long before their time; without this they would pile up until then, and so would lengths.
    if (line.cancelled === line.entries.length) this.#lines.delete(delayMs);
    else if (line.cancelled >= 256 && line.cancelled * 2 >= line.entries.length) {
      line.entries = line.entries.filter((other) => other.expire);
      line.cancelled = 0;
    }
  }

  #arm(at: number): void {
    this.#timer?.cancel();
    this.#firesAt = at;
    this.#timer = this.#clock.timer(Math.max(0, at - this.#clock.now()), () => this.#fire());
  }

  #fire(): void {
    const now = this.#clock.now();
    // We were stopped, or busy ourselves: what has come meanwhile is to be read before anybody is told that it did not.
    if (now - this.#firesAt > lateMs && !this.#waited) {
      this.#waited = true;
      this.#arm(now + 1);
      return;
    }
    this.#waited = false;
    this.#firesAt = Infinity;
    let next = Infinity;
    const due: Entry[] = [];
    for (const [delayMs, line] of this.#lines) {
      const { entries } = line;
      let over = 0;
      for (let entry = entries[0]; entry && (!entry.expire || entry.at <= now); entry = entries[++over]) {
        if (entry.expire) due.push(entry);
        else line.cancelled--;
        entry.line = undefined;
      }
      if (over > 0) entries.splice(0, over);
      if (entries[0]) next = Math.min(next, entries[0].at);
      else this.#lines.delete(delayMs);
    }
    if (next !== Infinity) this.#arm(next);
    expireAll(due.toSorted((left, right) => left.at - right.at));
  }
}

/** One that throws must not cost the others their time; what it throws goes where a timer's exception goes. */
function expireAll(due: readonly Entry[]): void {
  for (const [index, entry] of due.entries()) {
    const { expire } = entry;
    entry.expire = undefined;
    try {
      expire?.();
    } catch (error) {
      expireAll(due.slice(index + 1));
      throw error;
    }
  }
}
