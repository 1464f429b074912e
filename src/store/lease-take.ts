/** Taking a lease: at once, or when nothing was seen of its holder for long enough. */
import { StoreError } from "../errors.ts";
import { HeldLease, deadlineOf } from "./lease.ts";
import { newBeat } from "./lease-record.ts";
import { type Obstacle, held } from "./lease-refusals.ts";
import type { LeaseSite } from "./lease-site.ts";
import type { Found, LeaseSlot } from "./lease-slot.ts";
import type { LeaseTerms } from "./lease-terms.ts";
import { defaultPatienceMs, isTransient } from "./requests.ts";

/**
 * Refuses at once when the lease is held and its holder is plausibly alive. Otherwise watches for one ttl of the holder whether anything is
 * seen of it.
 */
export function acquire(site: LeaseSite, slot: LeaseSlot, terms: LeaseTerms): Promise<HeldLease> {
  return site.seek(slot, terms, async (stop, blocked) => {
    let first: Obstacle | undefined;
    for (;;) {
      const result = await take(site, slot, terms.ttlMs, stop, first?.found);
      if (result instanceof HeldLease) return result;
      const { found, own, changed, freeAt } = result;
      const { ageMs, record } = found;
      const fresh = !first && ageMs !== undefined && ageMs < record.ttl;
      const moved = first !== undefined && first.found.etag !== found.etag;
      if (own || changed || fresh || moved) throw held(slot, result);
      blocked((first = result));
      await site.pause(slot.key, Math.min(pollMs(record.ttl), freeAt - slot.clock.now()), stop);
    }
  });
}

/** How often a holder is looked for whose ttl is this. */
export function pollMs(ttlMs: number): number {
  return Math.min(5_000, Math.max(20, ttlMs / 10));
}

/** The lease, if it is free; else who has it. Fails when the store does for too long. */
export async function take(
  site: LeaseSite,
  slot: LeaseSlot,
  ttlMs: number,
  stop: AbortSignal,
  known?: Found,
): Promise<HeldLease | Obstacle> {
  const { clock, requests } = slot;
  let failingSince: number | undefined;
  let found = await slot.read(stop, known);
  for (let tries = 1, changed = false; ; tries++) {
    stop.throwIfAborted();
    const obstacle = site.judge(slot.key, found, changed);
    if (obstacle) return obstacle;
    const sentAt = clock.now();
    const record = { token: (found?.record.token ?? 0) + 1, holder: site.holder, ttl: ttlMs, beat: newBeat() };
    const outcome = await slot.swap(record, found?.etag, { withinMs: ttlMs / 2, hold: true });
    if (outcome.kind === "done" && clock.now() < deadlineOf(sentAt, ttlMs)) {
      const lease = new HeldLease(slot, { record, etag: outcome.etag, sentAt }, site.hooks);
      site.add(lease);
      return lease;
    }
    if (outcome.kind === "other") {
      changed = true;
      found = outcome.found;
      failingSince = undefined;
      if (tries === 1) continue;
    } else {
      // Whenever it is there, nobody acts under it.
      site.abandon(record.beat);
      failingSince ??= sentAt;
      const error = outcome.kind === "open" ? outcome.error : undefined;
      if (error !== undefined && !isTransient(error)) throw error;
      if (clock.now() - failingSince >= defaultPatienceMs) throw error ?? tooSlow(slot, ttlMs);
    }
    await requests.pause(requests.pauseMs(tries), stop);
    found = await slot.read(stop);
  }
}

function tooSlow(slot: LeaseSlot, ttlMs: number): StoreError {
  return new StoreError(
    `Cannot take ${slot.named}: the store answers too late for a ttl of ${ttlMs} ms, or refuses what nobody else has written; raise "ttl"`,
    { ...slot.facts, maybe: true, transient: true },
  );
}
