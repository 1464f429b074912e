/** Cases that run in every front end: in this process under the plugin, and in programs under the load hook and without any flag. */
import type { Pool } from "tinderbox";

export interface Case {
  readonly name: string;
  /** `pool` is shared by the cases of a file: one runner, two calls at a time. Throws when something is wrong. */
  readonly run: (lab: Lab) => Promise<void>;
  /** Milliseconds. @default 15000 */
  readonly timeout?: number;
}

export interface Lab {
  readonly pool: Pool;
}
