/**
 * Tinderbox: wrap code in `flame()`; it runs on a machine that did not exist a moment ago and is gone when nobody
 * needs it.
 *
 * @example
 * import { flame } from "tinderbox";
 * const answer = await flame(() => 6 * 7);
 */
export { closure, flame, pool } from "./flame/flame.ts";
export type { Streaming } from "./flame/call.ts";
export type { MapOptions, MapSettled } from "./flame/map.ts";
export type { FlameOptions } from "./flame/options.ts";
export type { PlaceOptions } from "./flame/place-options.ts";
export type { Remote } from "./flame/remote.ts";
export type { Wrapped } from "./flame/wrap.ts";
export { defaults, local, shutdown } from "./runtime.ts";
export type { CloseOptions, Pool } from "./pool/handle.ts";
export type { PoolOptions } from "./pool/options.ts";
export type { RetryOptions } from "./pool/retries.ts";
export type { PoolStats } from "./pool/stats.ts";
export { type Scale, type Snapshot, drainWithin, fixed, slots } from "./pool/scale.ts";
export { type Live, live } from "./live/function.ts";
export { type Context, type RunnerInfo, context, runner } from "./context.ts";
export { registerClass, revive, serialize } from "./closure/classes.ts";
export { type EventMap, type EventName, events } from "./events/index.ts";
export type { Duration, Size } from "./duration.ts";
export {
  AbortError,
  BootError,
  CallTimeoutError,
  CaptureError,
  EntryError,
  PoolClosedError,
  ProtocolError,
  QueueFullError,
  QueueTimeoutError,
  RunnerLostError,
  TinderboxError,
} from "./errors.ts";
export type { Backend, BackendDefaults, BootRequest, Machine, MachineExit } from "./ports/backend.ts";
