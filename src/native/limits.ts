/** What a native program may use of its machine. */
import type { Size } from "../duration.ts";

export interface Limits {
  /** Memory of the program and all that it starts; beyond it the kernel ends it. */
  readonly memory?: Size;
  /** Cores that it may keep busy, e.g. 0.5. */
  readonly cpu?: number;
  /** Processes and threads. */
  readonly pids?: number;
  /** Largest file that it may write. */
  readonly fileSize?: Size;
  /**
   * Refuses to start where a limit cannot be enforced, instead of saying so once.
   *
   * @default false
   */
  readonly strict?: boolean;
}
