/** Many clocks, one timer: most waits of a pool share a few lengths, so each length keeps a line in order of expiry. */
import type { Clock, Timer } from "../ports/clock.ts";

interface Entry {
  readonly at: number;
  expire: (() => void) | undefined;
}

/** One wait. */
export interface Deadline {
  cancel(): void;
}

interface Line {
  entries: Entry[];
  cancelled: number;
}

const never: Deadline = { cancel() {} };

export class Deadlines {
  readonly #clock: Clock;
  readonly #lines = new Map<number, Line>();
  #timer: Timer | undefined;
  #firesAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `expire` once, `delayMs` from now, unless cancelled. `Infinity` never expires. */
  add(delayMs: number, expire: () => void): Deadline {
    if (delayMs === Infinity) return never;
    const at = this.#clock.now() + delayMs;
    const entry: Entry = { at, expire };
    let line = this.#lines.get(delayMs);
    if (!line) this.#lines.set(delayMs, (line = { entries: [], cancelled: 0 }));
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
    const line = this.#lines.get(delayMs);
    if (!line || !entry.expire) return;
    entry.expire = undefined;
    // Most waits end long before their time; without this they would pile up until then.
    if (++line.cancelled < 256 || line.cancelled * 2 < line.entries.length) return;
    line.entries = line.entries.filter((other) => other.expire);
    line.cancelled = 0;
  }

  #arm(at: number): void {
    this.#timer?.cancel();
    this.#firesAt = at;
    this.#timer = this.#clock.timer(Math.max(0, at - this.#clock.now()), () => this.#fire());
  }

  #fire(): void {
    const now = this.#clock.now();
    this.#firesAt = Infinity;
    let next = Infinity;
    const due: (() => void)[] = [];
    for (const [delayMs, line] of this.#lines) {
      const alive = line.entries.filter((entry) => {
        if (!entry.expire || entry.at > now) return entry.expire !== undefined;
        due.push(entry.expire);
        entry.expire = undefined;
        return false;
      });
      this.#lines.set(delayMs, { entries: alive, cancelled: 0 });
      if (alive[0]) next = Math.min(next, alive[0].at);
      else this.#lines.delete(delayMs);
    }
    if (next !== Infinity) this.#arm(next);
    for (const expire of due) expire();
  }
}
