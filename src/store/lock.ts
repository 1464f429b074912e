/** Waiting for a lease. Those of one process stand in line, and only the first of them asks the store. */
import { backoffMs } from "../backoff.ts";
import { HeldLease } from "./lease.ts";
import type { Obstacle } from "./lease-refusals.ts";
import type { LeaseSite } from "./lease-site.ts";
import type { LeaseSlot } from "./lease-slot.ts";
import { pollMs, take } from "./lease-take.ts";
import type { LeaseTerms } from "./lease-terms.ts";

/** The line for each key of one store. */
export class Lines {
  readonly #lines = new Map<string, (() => void)[]>();

  /** Resolves with how to leave when all who came before have left. */
  async enter(key: string, stop: AbortSignal): Promise<() => void> {
    const line = this.#lines.get(key) ?? [];
    this.#lines.set(key, line);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => {
      const place = line.indexOf(resolve);
      if (place < 0) return;
      line.splice(place, 1);
      if (line.length === 0) this.#lines.delete(key);
      else if (place === 0) line[0]!();
    };
    const abort = (): void => {
      leave();
      reject(stop.reason as Error);
    };
    line.push(resolve);
    if (line.length === 1) resolve();
    stop.addEventListener("abort", abort, { once: true });
    await promise.finally(() => stop.removeEventListener("abort", abort));
    return leave;
  }
}

/** How soon a lease that is released on another machine is seen to be free: soon at first, then ever more seldom. */
const firstPollMs = 50;

export function lock(site: LeaseSite, lines: Lines, slot: LeaseSlot, terms: LeaseTerms): Promise<HeldLease> {
  return site.seek(slot, terms, async (stop, blocked) => {
    blocked("line");
    const leave = await lines.enter(slot.key, stop);
    try {
      let last: Obstacle | undefined;
      for (let polls = 1; ; polls++) {
        const own = last && site.own(slot.key);
        const result = own ? { ...last!, own } : await take(site, slot, terms.ttlMs, stop, last?.found);
        if (result instanceof HeldLease) return result;
        const { ttl, token } = result.found.record;
        if (last?.found.record.token !== token) polls = 1;
        blocked((last = result));
        await site.pause(slot.key, pause(site, result, own ? ttl : pollMs(ttl), polls), stop);
      }
    } finally {
      leave();
    }
  });
}

function pause(site: LeaseSite, { freeAt, own }: Obstacle, maxMs: number, polls: number): number {
  const { clock, random } = site.requests.deps;
  const poll = backoffMs(polls, { initialMs: Math.min(firstPollMs, maxMs), maxMs, factor: 1.5, jitter: true }, random);
  return own ? poll : Math.max(1, Math.min(poll, freeAt - clock.now()));
}
