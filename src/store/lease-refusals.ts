/** Why a lease was not taken. */
import { AbortError, StoreConflictError, StoreError } from "../errors.ts";
import { formatDuration } from "../duration.ts";
import { show } from "../options.ts";
import type { HeldLease } from "./lease.ts";
import type { Found, LeaseSlot } from "./lease-slot.ts";

/** Somebody has the lease. */
export interface Obstacle {
  readonly found: Found;
  /** The lease of this process that it is, if so. */
  readonly own: HeldLease | undefined;
  /** When it may be taken by our clock, if nothing is seen of its holder until then. */
  readonly freeAt: number;
  /** Something was seen of its holder just now. */
  readonly changed: boolean;
}

/** For who does not wait any longer. */
export function held(slot: LeaseSlot, { found, own }: Obstacle, waitedMs?: number): StoreConflictError {
  const { record, ageMs, seenAt } = found;
  const ago = ageMs === undefined ? undefined : ageMs + slot.clock.now() - seenAt;
  const renewed = ago === undefined ? "" : `, renewed ${formatDuration(ago)} ago`;
  const holder = `${show(record.holder)}${own ? ", which is this process" : renewed}`;
  return conflict(slot, `held by ${holder}`, record.holder, waitedMs);
}

function conflict(slot: LeaseSlot, state: string, holder: string | null, waitedMs?: number): StoreConflictError {
  const [is, hint] =
    waitedMs === undefined
      ? ["is", "wait for it with lock()"]
      : [`is, after ${formatDuration(waitedMs)}, still`, 'wait longer, with "timeout"'];
  return new StoreConflictError(`Cannot take ${slot.named}: it ${is} ${state}; ${hint}`, {
    ...slot.facts,
    reason: "held",
    holder,
  });
}

export function aborted(slot: LeaseSlot, cause: unknown): AbortError {
  return new AbortError(`Cannot take ${slot.named}: it was aborted`, { cause });
}

export function timedOut(
  slot: LeaseSlot,
  obstacle: Obstacle | "line" | undefined,
  holder: string,
  waitedMs: number,
): StoreError {
  if (obstacle === "line") return conflict(slot, "wanted by others of this process who came before", holder, waitedMs);
  if (obstacle) return held(slot, obstacle, waitedMs);
  return new StoreError(
    `Cannot take ${slot.named}: the store has not said within ${formatDuration(waitedMs)} who holds it; raise "timeout"`,
    { ...slot.facts, transient: true },
  );
}

export function closed(slot: LeaseSlot): StoreError {
  return new StoreError(`Cannot take ${slot.named}: the store is closed`, slot.facts);
}
