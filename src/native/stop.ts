/** How a native program is told to end: its stdin is closed, it is signalled, and killed when it is still there. */
import { constants } from "node:os";
import { type Duration, resolveDuration } from "../duration.ts";
import { refuseUnknown, show } from "../options.ts";

export interface StopOptions {
  /**
   * What a program is sent that does not end by itself when its stdin is closed.
   *
   * @default "SIGTERM"
   */
  readonly signal?: NodeJS.Signals;
  /**
   * From the closing of stdin until what is left is killed.
   *
   * @default "5s"
   */
  readonly grace?: Duration;
}

export interface ResolvedStop {
  readonly signal: NodeJS.Signals;
  readonly graceMs: number;
}

/** What a program may take to stop where nobody says otherwise. */
export const defaultGraceMs = 5_000;

export function resolveStop(stop: StopOptions | undefined, owner: string): ResolvedStop {
  if (stop) refuseUnknown(stop, ["signal", "grace"], `"stop" of ${owner}`);
  const { signal = "SIGTERM", grace = defaultGraceMs } = stop ?? {};
  if (!Object.hasOwn(constants.signals, signal)) {
    throw new TypeError(
      `Cannot use ${show(signal)} as "signal" of ${owner}: the name of a signal is wanted, e.g. "SIGINT"`,
    );
  }
  return { signal, graceMs: resolveDuration(grace, `"grace" of ${owner}`) };
}
