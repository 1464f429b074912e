/** A call between the user and its pool. */
import type { Captured } from "../closure/capture.ts";
import type { CallOptions, CallRequest } from "../pool/call.ts";
import type { Pool } from "../pool/handle.ts";
import type { CallMode } from "../wire/messages.ts";
import type { FlameOptions } from "./options.ts";

/** A function that is ready to be called on a runner, once or many times with the same captured values. */
export interface Prepared {
  readonly pool: Pool;
  readonly options: CallOptions;
  /** As the user has given them. */
  readonly given: FlameOptions;
  readonly captured: Captured;
}

export interface Submission {
  readonly mode: CallMode;
  /** What the closure is called with; undefined for the context. */
  readonly args?: readonly unknown[];
  readonly trace: CallRequest["trace"];
  readonly resolve: CallRequest["resolve"];
  readonly reject: CallRequest["reject"];
  readonly accepted?: (() => void) | undefined;
}
