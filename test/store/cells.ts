/** Cells on a driver, each time as another process would have them. */
import { systemClock } from "../../src/clock.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { StoreDriver } from "../../src/ports/store.ts";
import { type Cell, type CellOptions, StoreCell } from "../../src/store/cell.ts";
import { Commits } from "../../src/store/commits.ts";
import { memoryDriver } from "../../src/store/drivers/memory.ts";
import { Requests } from "../../src/store/requests.ts";
import { Watches } from "../../src/store/watch.ts";

export interface Opened {
  readonly requests: Requests;
  readonly watches: Watches;
  readonly failing: unknown[];
  cell<T>(options?: CellOptions<T>, key?: string): Cell<T>;
}

/** One process of those that share the driver. */
export function processOn(driver: StoreDriver, clock: Clock = systemClock, random: () => number = Math.random): Opened {
  const requests = new Requests({ driver, clock, random });
  const failing: unknown[] = [];
  const watches = new Watches(requests, (_commits, error) => failing.push(error));
  const all = new Map<string, Commits>();
  return {
    requests,
    watches,
    failing,
    cell(options = {}, key = "cell") {
      const commits = all.get(key) ?? new Commits(requests, "cell", key);
      all.set(key, commits);
      const handles = {
        store: () => ({ type: "", data: null }),
        cell: () => ({ type: "", data: null }),
        blob: () => ({ type: "", data: null }),
      };
      return new StoreCell(key, options, { requests, commits, watches, handles });
    },
  };
}

export function memory(): StoreDriver {
  return memoryDriver({ clock: systemClock });
}
