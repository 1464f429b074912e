/**
 * Tinderbox: wrap code in `flame()`; it runs on a machine that did not exist a moment ago and is gone when nobody
 * needs it.
 *
 * @example
 * import { flame } from "tinderbox";
 * const answer = await flame(() => 6 * 7);
 */
import { offerInspection } from "./inspection.ts";

export { closure, flame, pool } from "./flame/flame.ts";
export type { Streaming } from "./flame/call.ts";
export type { MapOptions, MapSettled } from "./flame/map.ts";
export type { FlameOptions } from "./flame/options.ts";
export type { PlaceOptions } from "./flame/place-options.ts";
export type { Remote } from "./flame/remote.ts";
export type { Wrapped } from "./flame/wrap.ts";
export { defaults, local } from "./runtime.ts";
export { shutdown } from "./lifecycle.ts";
export type { CloseOptions, Pool } from "./pool/handle.ts";
export type { PoolOptions } from "./pool/options.ts";
export type { RetryOptions } from "./pool/retries.ts";
export type { PoolStats } from "./pool/stats.ts";
export { type Scale, type Snapshot, drainWithin, fixed, slots } from "./pool/scale.ts";
export { service } from "./services.ts";
export type { HealthOptions as ServiceHealthOptions, ServiceOptions } from "./native/service/options.ts";
export type { Service } from "./native/service/service.ts";
export type { StopOptions } from "./native/stop.ts";
export { dynamicSupervisor, supervisor, task } from "./supervise.ts";
export type { Branch, Child, ChildSpec, ExitReason, StartContext } from "./ports/child.ts";
export type { DynamicSupervisor, DynamicSupervisorSpec } from "./supervisor/dynamic.ts";
export type { ChildCount, ChildHandle } from "./supervisor/member.ts";
export type { BackoffOptions, DynamicSupervisorOptions, SupervisorOptions } from "./supervisor/options.ts";
export type { ResolvedSpec } from "./supervisor/spec.ts";
export type { Supervisor, SupervisorSpec } from "./supervisor/supervisor.ts";
export type { TaskContext, TaskOptions } from "./supervisor/task.ts";
export { binary } from "./programs.ts";
export type { BinaryCloseOptions } from "./native/binary/handle.ts";
export type { BinaryStats } from "./native/binary/engine.ts";
export type {
  BinarySource,
  CallOptions,
  HealthOptions,
  OneShotOptions,
  RunInput,
  RunOptions,
  WorkerOptions,
} from "./native/binary/options.ts";
export type { RunResult } from "./native/binary/result.ts";
export type { BinaryRun } from "./native/binary/run-call.ts";
export type { AnyBinary, JsonBinary, OneShotBinary, WorkerBinary } from "./native/binary/types.ts";
export type { Limits } from "./native/limits.ts";
export { type Live, live } from "./live/function.ts";
export { type Context, type RunnerInfo, context, runner } from "./context.ts";
export { registerClass, revive, serialize } from "./closure/classes.ts";
export { type EventMap, type EventName, events } from "./events/index.ts";
export type { Duration, Size } from "./duration.ts";
export {
  AbortError,
  BinaryExitError,
  BinaryProtocolError,
  BinaryStartError,
  BootError,
  type BootPhase,
  CallTimeoutError,
  CaptureError,
  CommandError,
  ChildStartError,
  EntryError,
  LeaseLostError,
  MaxRestartIntensityError,
  PoolClosedError,
  ProtocolError,
  QueueFullError,
  QueueTimeoutError,
  RunnerLostError,
  StoreConflictError,
  StoreDataError,
  StoreError,
  SupervisorError,
  TinderboxError,
} from "./errors.ts";
export type { Backend, BackendDefaults, BootRequest, Machine, MachineExit } from "./ports/backend.ts";

offerInspection();
