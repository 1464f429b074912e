/** One of many does it, as long as it holds a lease. */
import { AbortError } from "../errors.ts";
import type { HeldLease, Lease } from "./lease.ts";
import type { LeaseSite } from "./lease-site.ts";
import type { LeaseSlot } from "./lease-slot.ts";
import type { LeaseTerms } from "./lease-terms.ts";
import { type Lines, lock } from "./lock.ts";
import { isTransient } from "./requests.ts";

export async function elect<T>(
  site: LeaseSite,
  lines: Lines,
  slot: LeaseSlot,
  run: (lease: Lease) => T | PromiseLike<T>,
  terms: LeaseTerms,
): Promise<T> {
  for (;;) {
    const lease = await campaign(site, lines, slot, terms);
    const term = await serve(slot, lease, run, terms.signal);
    if (terms.signal?.aborted) throw stopped(slot, terms.signal.reason);
    if (term.kind === "done") return term.result;
    if (term.kind === "failed") throw term.error;
  }
}

type Term<T> =
  | { readonly kind: "done"; readonly result: T }
  | { readonly kind: "failed"; readonly error: unknown }
  /** It has ended, and the lease was lost: what it did may be half done, and another one does it by now. */
  | { readonly kind: "lost" };

async function serve<T>(
  slot: LeaseSlot,
  lease: HeldLease,
  run: (lease: Lease) => T | PromiseLike<T>,
  signal: AbortSignal | undefined,
): Promise<Term<T>> {
  const stop = (): void => lease.stop(stopped(slot, signal!.reason));
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  try {
    const result = await run(lease);
    return lease.lost ? { kind: "lost" } : { kind: "done", result };
  } catch (error) {
    return lease.lost ? { kind: "lost" } : { kind: "failed", error };
  } finally {
    signal?.removeEventListener("abort", stop);
    await lease.release();
  }
}

/** A store that fails for a while is no reason to give up. */
async function campaign(site: LeaseSite, lines: Lines, slot: LeaseSlot, terms: LeaseTerms): Promise<HeldLease> {
  for (let failures = 1; ; failures++) {
    try {
      return await lock(site, lines, slot, terms);
    } catch (error) {
      if (!isTransient(error)) throw error;
      await site.requests.pause(site.requests.pauseMs(failures), terms.signal).catch(() => undefined);
    }
  }
}

function stopped(slot: LeaseSlot, cause: unknown): AbortError {
  return new AbortError(`Cannot go on under ${slot.named}: the election was aborted`, { cause });
}
