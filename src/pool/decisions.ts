/** What the core of a pool is told, and what it answers. */
import type { Scale } from "./scale.ts";

export interface CoreOptions {
  readonly min: number;
  readonly max: number;
  readonly slotsPerRunner: number;
  readonly spare: number;
  readonly idleMs: number;
  readonly lifetimeMs: number;
  readonly singleUse: boolean;
  /** Runners are asked before they go for idleness. */
  readonly idleCheck?: boolean;
  /** The emptiest runner is served first, as FLAME does it, instead of the fullest: for comparisons. */
  readonly spread?: boolean;
  readonly scale: Scale;
  /** Told when `scale` throws or gives no number. The pool goes on by `slots()`. */
  readonly scaleFailed?: (error: unknown) => void;
  /** Pause after the n-th boot failure in a row. */
  readonly backoffMs: (failures: number) => number;
}

export type Event =
  | { readonly type: "start" }
  /** `again`: it has been in the queue before, and goes to the head of those of its priority. */
  | {
      readonly type: "call";
      readonly call: number;
      readonly priority: number;
      readonly key: string | undefined;
      readonly again?: boolean;
      /** The only one that may take it. */
      readonly runner?: number | undefined;
    }
  /** A call needs no slot any more, and its runner must stay until it is done: its caller holds a function of it. */
  | { readonly type: "kept"; readonly call: number }
  /** A call has made an object that stays where it is, for as long as it likes. */
  | { readonly type: "placed"; readonly call: number }
  /** A call is over, or never mattered: its slot is free. */
  | { readonly type: "done"; readonly call: number }
  | { readonly type: "booted"; readonly runner: number }
  /** Also the answer to `cancelBoot`. */
  | { readonly type: "bootFailed"; readonly runner: number }
  /** The machine is no more. Its calls are forgotten; those that may run again come as new ones. */
  | { readonly type: "gone"; readonly runner: number }
  /** The runner is unwell: no more calls; it goes when it is empty. */
  | { readonly type: "retire"; readonly runner: number }
  /** The runner can take this many calls at a time from now on; those that run may be more. */
  | { readonly type: "slots"; readonly runner: number; readonly slots: number }
  /** The answer to `check`. */
  | { readonly type: "checked"; readonly runner: number; readonly idle: boolean }
  | { readonly type: "resize"; readonly min: number; readonly max: number }
  | { readonly type: "close" }
  | { readonly type: "tick" };

export type Command =
  | { readonly type: "boot"; readonly runner: number }
  | { readonly type: "dispatch"; readonly call: number; readonly runner: number }
  /** The only runner that could have taken the call takes no more. */
  | { readonly type: "reject"; readonly call: number }
  /** The runner is to go as soon as the objects that were placed on it are gone. */
  | { readonly type: "leave"; readonly runner: number; readonly reason: "lifetime" | "retired" | "resized" }
  /** Ask the runner to end; it has no calls and gets none. */
  | {
      readonly type: "drain";
      readonly runner: number;
      readonly reason: "idle" | "used" | "lifetime" | "retired" | "closed" | "resized";
    }
  /** Ask the runner whether it may go: it has been idle for long enough. */
  | { readonly type: "check"; readonly runner: number }
  /** A boot that nobody needs any more. Counts as a machine until the answer comes: `bootFailed` or `gone`. */
  | { readonly type: "cancelBoot"; readonly runner: number };
