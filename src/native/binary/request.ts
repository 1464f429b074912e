/** One call of a worker, from its being made to its end. */
import type { Encoded } from "./framing.ts";

export interface Request {
  readonly encoded: Encoded;
  readonly timeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** A question of ours, not of a caller. */
  readonly probe: boolean;
  /** While it waits: when it has waited for too long. Once it is on a worker: when it has run for too long. */
  expiresAt: number;
  /** Its caller has been told; where it is on a worker, its answer is still to come. */
  settled: boolean;
  /** Stops to listen for what would end it. */
  off: (() => void) | undefined;
}
