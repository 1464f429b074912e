/** Strategies as they are written on a command line. */
import { type Duration, resolveDuration } from "../../duration.ts";
import { show } from "../../options.ts";
import { type Scale, drainWithin, fixed, slots } from "../scale.ts";

/** How a pool scales, with what belongs to it. */
export interface Strategy {
  readonly name: string;
  readonly scale: Scale;
  /** By FLAME's rule, to which keep-alive and dispatch belong as well: this keep-alive, the emptiest runner first. */
  readonly flameIdleMs?: number;
}

/** FLAME's keep-alive, unless one is given. */
const flameIdle = "30s";

/** `slots`, `drain:5s`, `fixed:10`, `flame` or `flame:5m`. Throws `TypeError` that says so. */
export function resolveStrategy(name: string, option: string): Strategy {
  if (name === "slots") return { name, scale: slots() };
  const [, kind, value] = /^(drain|fixed|flame)(?::(.+))?$/.exec(name) ?? [];
  if (kind === "flame") {
    return { name, scale: slots(), flameIdleMs: resolveDuration(value ?? flameIdle, `the keep-alive in ${option}`) };
  }
  if (kind === "drain" && value !== undefined) return { name, scale: drainWithin(value as Duration) };
  if (kind === "fixed" && /^\d+$/.test(value ?? "")) return { name, scale: fixed(Number(value)) };
  throw new TypeError(
    `Cannot use ${show(name)} as ${option}: slots, drain:5s, fixed:10, flame or the path of a module is wanted`,
  );
}
