/** What a child specification has to be, and what it means where it says nothing. */
import { resolveDuration } from "../duration.ts";
import { refuseUnknown, resolveBoolean, show } from "../options.ts";
import type { ChildSpec } from "../ports/child.ts";
import { defaultShutdownMs } from "./defaults.ts";

/** Complete: nothing is left to a default. `shutdown` in milliseconds. */
export interface ResolvedSpec {
  readonly id: string;
  readonly start: ChildSpec["start"];
  readonly restart: "permanent" | "transient" | "temporary";
  readonly shutdown: "brutal_kill" | "infinity" | number;
  readonly significant: boolean;
  readonly type: "worker" | "supervisor";
}

/** Whether a supervisor ends when significant children have ended by themselves. */
export type AutoShutdown = "never" | "any_significant" | "all_significant";

const keys = ["id", "start", "restart", "shutdown", "significant", "type"] as const;
const restarts = ["permanent", "transient", "temporary"] as const;
const types = ["worker", "supervisor"] as const;

/** @throws TypeError for a specification that makes no sense, or not in a supervisor with that `autoShutdown`. */
export function resolveSpec(spec: ChildSpec, autoShutdown: AutoShutdown | "dynamic"): ResolvedSpec {
  if (typeof spec !== "object" || spec === null) {
    throw new TypeError(`Cannot supervise ${show(spec)}: a child specification is an object with "id" and "start"`);
  }
  const { id, start, restart = "permanent", significant = false, type = "worker" } = spec;
  if (typeof id !== "string" || id === "") {
    throw new TypeError(`Cannot use ${show(id)} as "id" of a child: a text that is not empty is wanted`);
  }
  const owner = `child ${show(id)}`;
  // A pool or a binary is more than a specification; its other fields are its own business.
  const made = Object.getPrototypeOf(spec) !== Object.prototype && Object.getPrototypeOf(spec) !== null;
  if (!made) refuseUnknown(spec, keys, owner);
  if (typeof start !== "function") {
    throw new TypeError(`Cannot use ${show(start)} as "start" of ${owner}: a function that gives a child is wanted`);
  }
  oneOf(restart, restarts, `"restart" of ${owner}`);
  oneOf(type, types, `"type" of ${owner}`);
  if (resolveBoolean(significant, `"significant" of ${owner}`)) refuseSignificant(owner, restart, autoShutdown);
  const shutdown = resolveShutdown(spec, type, owner);
  return Object.freeze({ id, start: made ? start.bind(spec) : start, restart, shutdown, significant, type });
}

/** @throws TypeError for a specification that makes no sense in any supervisor. */
export function checkSpec(spec: ChildSpec): void {
  resolveSpec(spec, "any_significant");
}

function resolveShutdown(spec: ChildSpec, type: string, owner: string): ResolvedSpec["shutdown"] {
  const shutdown = spec.shutdown ?? (type === "supervisor" ? "infinity" : defaultShutdownMs);
  if (shutdown === "brutal_kill" || shutdown === "infinity") return shutdown;
  const ms = resolveDuration(shutdown, `"shutdown" of ${owner}, which may also be "brutal_kill" or "infinity"`);
  return ms === Infinity ? "infinity" : ms;
}

function refuseSignificant(owner: string, restart: string, autoShutdown: AutoShutdown | "dynamic"): void {
  const action = `Cannot make ${owner} significant`;
  if (autoShutdown === "dynamic") {
    throw new TypeError(`${action}: a dynamic supervisor never ends by itself; leave "significant" out`);
  }
  if (restart === "permanent") {
    throw new TypeError(`${action}: a permanent child never ends for good; make it "transient" or "temporary"`);
  }
  if (autoShutdown === "never") {
    throw new TypeError(
      `${action}: its supervisor has autoShutdown "never"; use "any_significant" or "all_significant", or leave it out`,
    );
  }
}

export function oneOf<T extends string>(value: unknown, words: readonly T[], option: string): T {
  if (words.includes(value as T)) return value as T;
  throw new TypeError(
    `Cannot use ${show(value)} as ${option}: ${words.map((word) => `"${word}"`).join(", ")} are known`,
  );
}
