/** The options of `flame.place`, and what they are when nothing is said. */
import { type Duration, resolveDuration } from "../duration.ts";
import { refuseUnknown, resolveCount, show } from "../options.ts";
import type { FlameOptions } from "./options.ts";

/** Of a call those that make sense for the one that makes the object, and what concerns the object. */
export interface PlaceOptions extends Pick<
  FlameOptions,
  "pool" | "node" | "queueTimeout" | "name" | "priority" | "onProgress"
> {
  /** Limit of the factory, and of each call of a method by itself. @default the pool's, "30s" */
  readonly timeout?: Duration;
  /** Gives the object up: until it is there `place` rejects, then its calls reject and it is disposed. */
  readonly signal?: AbortSignal;
  /** Of objects with the same key in the same pool there is one: who places it next shares it, with the options of the first. */
  readonly key?: string;
  /**
   * What happens when its runner is lost: nothing, and all further calls reject ("temporary"); the factory makes it again
   * after a loss ("transient"), or also when its runner was drained ("permanent"). @default "temporary"
   */
  readonly restart?: RestartPolicy;
  /** Unused for so long it is disposed and its slot is free; the next call makes it again. @default Infinity */
  readonly idle?: Duration;
  /** Calls of its methods at a time; others wait in order. @default Infinity */
  readonly concurrency?: number;
}

export type RestartPolicy = "temporary" | "transient" | "permanent";

export interface ResolvedPlaceOptions {
  readonly restart: RestartPolicy;
  readonly idleMs: number;
  readonly concurrency: number;
}

const names: readonly (keyof PlaceOptions)[] = [
  "pool",
  "node",
  "timeout",
  "queueTimeout",
  "signal",
  "name",
  "priority",
  "onProgress",
  "key",
  "restart",
  "idle",
  "concurrency",
];

const policies: readonly unknown[] = ["temporary", "transient", "permanent"];

/** Throws `TypeError` for what makes no sense; options that every call has are checked where they are resolved. */
export function resolvePlaceOptions(options: PlaceOptions): ResolvedPlaceOptions {
  refuseUnknown(options, names, "flame.place");
  const of = (option: keyof PlaceOptions): string => `option "${option}" of flame.place`;
  const { key, restart = "temporary", idle = Infinity, concurrency = Infinity } = options;
  if (key !== undefined && typeof key !== "string")
    throw new TypeError(`Cannot use ${show(key)} as ${of("key")}: a string is wanted`);
  if (!policies.includes(restart)) {
    throw new TypeError(
      `Cannot use ${show(restart)} as ${of("restart")}: "temporary", "transient" or "permanent" is wanted`,
    );
  }
  return {
    restart,
    idleMs: resolveDuration(idle, of("idle")),
    concurrency: resolveCount(concurrency, of("concurrency"), 1, true),
  };
}
