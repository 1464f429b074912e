/** Several processes that use one cell over a network that delays, loses and repeats, by a seed: what they asked for, and what they heard. */
import { StoreConflictError, StoreError } from "../../src/errors.ts";
import type { Cell } from "../../src/store/cell.ts";
import { random } from "../chaos/random.ts";
import { FakeClock } from "../harness/fake-clock.ts";
import { memory, processOn } from "./cells.ts";
import { type Operation, operations } from "./linear.ts";
import { type Script, busy, noAnswer, scripted } from "./scripted.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export interface WorldOptions {
  readonly processes: number;
  /** Each process has so many callers, each of which asks so often. */
  readonly callers: number;
  readonly rounds: number;
  /** How often a request meets a fault, from 0 to 1. */
  readonly faults: number;
  /** A cell with a fault of its own, for those who check the checker. */
  readonly broken?: (cell: Cell<number>) => Cell<number>;
}

export interface World {
  readonly history: readonly Operation[];
  /** Operations that failed, and did nothing. */
  readonly failed: number;
  /** Operations of which nobody knows whether they were done. */
  readonly unknown: number;
}

export async function live(seed: number, options: WorldOptions): Promise<World> {
  const chance = random(seed);
  const clock = new FakeClock();
  const driver = memory();
  const turns = async (most: number): Promise<void> => {
    for (let left = Math.floor(chance.next() * most); left > 0; left--) await turn();
  };
  const pending: Promise<unknown>[] = [];
  const network: Script = async (kind, _key, act) => {
    await turns(4);
    const fate = chance.next() / options.faults;
    if (kind !== "put") {
      if (fate < 0.3) throw busy();
      const answer = await act();
      await turns(4);
      return answer;
    }
    if (fate < 0.15) throw busy();
    if (fate < 0.3) throw noAnswer();
    if (fate < 0.5) {
      // Somewhere on its way, until long after its sender has given up.
      pending.push(turns(40).then(act));
      throw noAnswer();
    }
    const answer = await act();
    if (fate < 0.8) throw noAnswer();
    if (fate < 1) return "lost";
    await turns(4);
    return answer;
  };

  const history: Operation[] = [];
  let [now, failed, unknown, made] = [0, 0, 0, 0];
  const caller = async (cell: Cell<number>): Promise<void> => {
    for (let round = 0; round < options.rounds; round++) {
      await turns(6);
      const from = ++now;
      const [by, what] = [++made * 1_000, chance.next()];
      try {
        if (what < 0.35) {
          const value = await cell.get();
          history.push(operations.get(value, from, ++now));
        } else if (what < 0.45) {
          await cell.set(by);
          history.push(operations.set(by, from, ++now));
        } else {
          const result = await cell.update((value) => value + by);
          history.push(operations.add(by, result, from, ++now));
        }
      } catch (error) {
        if (!StoreError.is(error)) throw error;
        const doubtful = StoreConflictError.is(error) && (error as StoreConflictError).maybe;
        if (!doubtful) failed++;
        else {
          unknown++;
          history.push(
            what < 0.45 ? operations.set(by, from, Infinity) : operations.add(by, undefined, from, Infinity),
          );
        }
      }
    }
  };
  const callers = Array.from({ length: options.processes }, () => {
    const cell = processOn(scripted(driver, network), clock, () => chance.next()).cell({ initial: 0 });
    return Array.from({ length: options.callers }, () => caller(options.broken?.(cell) ?? cell));
  }).flat();
  let over = false;
  const all = Promise.all(callers).finally(() => (over = true));
  while (!over) {
    await turn();
    clock.advance(20);
  }
  await all;
  await Promise.all(pending);
  history.push(operations.get(await processOn(driver).cell({ initial: 0 }).get(), ++now, ++now));
  return { history, failed, unknown };
}
