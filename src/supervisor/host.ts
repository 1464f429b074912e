/** What a supervisor is handed by whoever composes it: time, and somebody to tell. */
import type { Events } from "../events/index.ts";
import type { Clock } from "../ports/clock.ts";

export interface SupervisorHost {
  readonly clock: Clock;
  readonly events: Pick<Events, "emit">;
  /**
   * What a child may take to end after it was killed, and an aborted start of a "brutal_kill" child to answer, before it is
   * forgotten.
   *
   * @default 5_000
   */
  readonly forgetMs?: number;
  /** For the jitter of `backoff`. @default Math.random */
  readonly random?: () => number;
}

/** The ids from the root to this place of the tree. */
export type Path = readonly string[];

/** How events name a place: the supervisor by its path, the child by its id. */
export function whereOf(path: Path): { supervisor: string; child: string } {
  return { supervisor: path.slice(0, -1).join("/"), child: path.at(-1) ?? "" };
}
