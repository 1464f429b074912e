/** What can be counted in a pool at one moment. */
export interface PoolStats {
  readonly runners: { readonly booting: number; readonly ready: number; readonly draining: number };
  readonly slots: { readonly busy: number; readonly free: number };
  readonly queued: number;
  readonly completed: number;
  readonly failed: number;
  readonly boots: { readonly ok: number; readonly failed: number };
}

/** Of a pool that has not started. */
export const noStats: PoolStats = {
  runners: { booting: 0, ready: 0, draining: 0 },
  slots: { busy: 0, free: 0 },
  queued: 0,
  completed: 0,
  failed: 0,
  boots: { ok: 0, failed: 0 },
};
