/**
 * What a driver of a store has to do, sentence by sentence of `src/ports/store.ts`: one suite for all drivers. A driver that cannot do
 * something says so in `missing`, with the reason. The cases are plain functions too, so that `mutants.test.ts` can see that they bite.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, test } from "vitest";
import type { StoreDriver } from "../../src/ports/store.ts";
import { conditionCases } from "./conformance/conditions.ts";
import { endingCases } from "./conformance/endings.ts";
import { keyCases } from "./conformance/keys.ts";
import { listCases } from "./conformance/lists.ts";
import { objectCases } from "./conformance/objects.ts";
import { streamCases } from "./conformance/streams.ts";
import type { StoreCase, Subject } from "./conformance/subject.ts";

/** An empty store of its own, which nobody else uses. */
export interface Opened {
  readonly driver: StoreDriver;
  /** Another driver of the same store, as another process would have it. Cases that need two are skipped, visibly, without it. */
  readonly reopen?: () => Promise<StoreDriver>;
  /** Closes the driver, which a case may have done already, and removes the store. */
  close(): Promise<void>;
}

export interface SuiteOptions {
  /** Cases that this driver does not pass, by name, and why. */
  readonly missing?: readonly { readonly test: string; readonly reason: string }[];
  /** How many objects one answer of `list` has at most, as the drivers were opened. From 2 to 100. Default: not known. */
  readonly page?: number;
  /** How many odd keys the property is tried with. Default: 50. */
  readonly runs?: number;
}

export const storeCases: readonly StoreCase[] = [
  ...keyCases,
  ...objectCases,
  ...conditionCases,
  ...listCases,
  ...streamCases,
  ...endingCases,
];

/** Declares the tests. A reason in `missing` for a case that there is not is a mistake. */
export function testStore(name: string, open: () => Promise<Opened>, options: SuiteOptions = {}): void {
  const reasons = new Map((options.missing ?? []).map((each) => [each.test, each.reason]));
  const unknown = [...reasons.keys()].filter((each) => !storeCases.some((known) => known.name === each));
  if (unknown.length > 0) throw new Error(`Cannot leave out ${unknown.join(", ")}: the suite has no such case`);
  const cases = new Map(storeCases.map((each) => [each.name, each]));
  describe.for([name])("%s", () => {
    test.for([...cases.keys()])("%s", { timeout: 60_000 }, async (title, { skip }) => {
      const reason = reasons.get(title);
      if (reason !== undefined) skip(reason);
      await check(cases.get(title)!, open, options, skip);
    });
  });
}

/** Runs every case by itself; the names of those that fail. One that has not ended after `limitMs` has failed. */
export async function failingCases(
  open: () => Promise<Opened>,
  options: SuiteOptions = {},
  limitMs = 60_000,
): Promise<string[]> {
  const failed: string[] = [];
  for (const each of storeCases) {
    const limit = new AbortController();
    const late = sleep(limitMs, undefined, { signal: limit.signal }).then(() =>
      Promise.reject(new Error("it does not end")),
    );
    const running = check(each, open, options);
    await Promise.race([running, late]).catch(() => failed.push(each.name));
    limit.abort();
    await late.catch(() => undefined);
    running.catch(() => undefined);
  }
  return failed;
}

/** Runs one case in a store of its own. Throws what it throws. */
export async function check(
  each: StoreCase,
  open: () => Promise<Opened>,
  { page, runs = 50 }: SuiteOptions = {},
  skip: (why: string) => void = () => undefined,
): Promise<void> {
  const opened = await open();
  const others: StoreDriver[] = [];
  const subject: Subject = {
    driver: opened.driver,
    page,
    runs,
    async reopen() {
      const other = await opened.reopen!();
      others.push(other);
      return other;
    },
  };
  try {
    if (each.needsTwo && !opened.reopen) skip("a second driver cannot reach this store");
    else await each.run(subject);
  } finally {
    for (const other of others) await other.close();
    await opened.close();
  }
}
