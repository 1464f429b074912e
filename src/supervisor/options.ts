/** What a supervisor can be told, and what it means where it is told nothing. */
import type { Backoff } from "../backoff.ts";
import { type Duration, resolveDuration } from "../duration.ts";
import { refuseUnknown, resolveBoolean, resolveCount, show } from "../options.ts";
import type { ChildSpec } from "../ports/child.ts";
import { defaultBackoffMaxMs, defaultMaxRestarts, defaultWithinMs } from "./defaults.ts";
import { type AutoShutdown, type ResolvedSpec, oneOf, resolveSpec } from "./spec.ts";
import type { Strategy } from "./strategy.ts";

/** Pauses before restarts that grow with each failure in a row. */
export interface BackoffOptions {
  /** The first pause. */
  readonly initial: Duration;
  /** @default "30s" */
  readonly max?: Duration;
  /** What each further failure multiplies the pause by. @default 2 */
  readonly factor?: number;
  /** Takes a random part, up to half, off each pause. @default true */
  readonly jitter?: boolean;
}

interface CommonOptions extends Pick<ChildSpec, "restart" | "shutdown" | "significant"> {
  /** Its name, as a child of another supervisor and in paths such as "root/web". @default "supervisor" */
  readonly id?: string;
  /** How many restarts are too few to give up, within `within`. 0: the first one is too many. @default 3 */
  readonly maxRestarts?: number;
  /** @default "5s" */
  readonly within?: Duration;
  /**
   * Waits before each restart: always as long, or longer with each failure in a row. A child that was up for `within` begins anew.
   * Default: a child that ended is started again at once.
   */
  readonly backoff?: Duration | BackoffOptions;
}

export interface SupervisorOptions extends CommonOptions {
  /** In the order in which they are started; they are stopped in the reverse one. @default [] */
  readonly children?: readonly ChildSpec[];
  /**
   * Who is started again when a child ends: it alone, all, or it and those after it.
   *
   * @default "one_for_one"
   */
  readonly strategy?: Strategy;
  /**
   * Whether the supervisor ends when one, or the last, of its `significant` children has ended by itself.
   *
   * @default "never"
   */
  readonly autoShutdown?: AutoShutdown;
}

export interface DynamicSupervisorOptions extends CommonOptions {
  /** How many children it may have, those that are being restarted included. @default Infinity */
  readonly maxChildren?: number;
  /** Passed to `start` of each child, after its context. @default [] */
  readonly extraArguments?: readonly unknown[];
}

interface ResolvedCommon {
  readonly id: string;
  readonly maxRestarts: number;
  readonly withinMs: number;
  readonly backoff: Backoff | undefined;
}

export interface ResolvedSupervisor extends ResolvedCommon {
  readonly children: readonly ResolvedSpec[];
  readonly strategy: Strategy;
  readonly autoShutdown: AutoShutdown;
}

export interface ResolvedDynamic extends ResolvedCommon {
  readonly maxChildren: number;
  readonly extraArguments: readonly unknown[];
}

const common = ["id", "maxRestarts", "within", "backoff", "restart", "shutdown", "significant"] as const;

/** @throws TypeError for options that make no sense, the specifications of the children included. */
export function resolveSupervisor(options: SupervisorOptions): ResolvedSupervisor {
  const resolved = resolveCommon(options, "supervisor", ["children", "strategy", "autoShutdown"]);
  const owner = `supervisor ${show(resolved.id)}`;
  const { children = [], strategy = "one_for_one", autoShutdown = "never" } = options;
  oneOf(strategy, ["one_for_one", "one_for_all", "rest_for_one"], `"strategy" of ${owner}`);
  oneOf(autoShutdown, ["never", "any_significant", "all_significant"], `"autoShutdown" of ${owner}`);
  if (!Array.isArray(children)) {
    throw new TypeError(`Cannot use ${show(children)} as "children" of ${owner}: an array of specifications is wanted`);
  }
  const specs = children.map((child: ChildSpec) => resolveSpec(child, autoShutdown));
  const ids = new Set<string>();
  for (const { id } of specs) {
    if (ids.has(id)) throw new TypeError(`Cannot use child ${show(id)} of ${owner} twice: each needs an id of its own`);
    ids.add(id);
  }
  return { ...resolved, children: specs, strategy, autoShutdown };
}

/** @throws TypeError for options that make no sense. */
export function resolveDynamic(options: DynamicSupervisorOptions): ResolvedDynamic {
  const resolved = resolveCommon(options, "dynamicSupervisor", ["maxChildren", "extraArguments"]);
  const owner = `supervisor ${show(resolved.id)}`;
  const { maxChildren = Infinity, extraArguments = [] } = options;
  if (!Array.isArray(extraArguments)) {
    throw new TypeError(`Cannot use ${show(extraArguments)} as "extraArguments" of ${owner}: an array is wanted`);
  }
  return {
    ...resolved,
    maxChildren: resolveCount(maxChildren, `"maxChildren" of ${owner}`, 0, true),
    extraArguments: [...(extraArguments as readonly unknown[])],
  };
}

function resolveCommon(options: CommonOptions, maker: string, own: readonly string[]): ResolvedCommon {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot use ${show(options)} as options of ${maker}: an object is wanted`);
  }
  refuseUnknown(options, [...common, ...own], maker);
  const { id = "supervisor", maxRestarts = defaultMaxRestarts, within = defaultWithinMs, backoff } = options;
  if (typeof id !== "string" || id === "") {
    throw new TypeError(`Cannot use ${show(id)} as "id" of ${maker}: a text that is not empty is wanted`);
  }
  const owner = `supervisor ${show(id)}`;
  const withinMs = resolveDuration(within, `"within" of ${owner}`);
  if (withinMs === 0) {
    throw new TypeError(`Cannot use ${show(within)} as "within" of ${owner}: a time above 0 is wanted`);
  }
  return {
    id,
    maxRestarts: resolveCount(maxRestarts, `"maxRestarts" of ${owner}`, 0),
    withinMs,
    backoff: backoff === undefined ? undefined : resolveBackoff(backoff, `"backoff" of ${owner}`),
  };
}

function resolveBackoff(backoff: Duration | BackoffOptions, option: string): Backoff {
  if (typeof backoff !== "object" || backoff === null) {
    const initialMs = finite(backoff, option);
    return { initialMs, maxMs: initialMs, factor: 1, jitter: false };
  }
  refuseUnknown(backoff, ["initial", "max", "factor", "jitter"], option);
  const { initial, factor = 2, jitter = true } = backoff;
  const initialMs = finite(initial, `"initial" of ${option}`);
  const maxMs =
    backoff.max === undefined ? Math.max(defaultBackoffMaxMs, initialMs) : finite(backoff.max, `"max" of ${option}`);
  if (maxMs < initialMs) {
    throw new TypeError(
      `Cannot use ${show(backoff.max)} as "max" of ${option}: it is less than "initial", ${show(initial)}`,
    );
  }
  if (typeof factor !== "number" || !(factor >= 1 && factor < Infinity)) {
    throw new TypeError(`Cannot use ${show(factor)} as "factor" of ${option}: a number from 1 is wanted`);
  }
  return { initialMs, maxMs, factor, jitter: resolveBoolean(jitter, `"jitter" of ${option}`) };
}

/** A pause that never ends would be a child that is neither up nor down. */
function finite(value: unknown, option: string): number {
  const ms = resolveDuration(value, option);
  if (ms < Infinity) return ms;
  throw new TypeError(`Cannot use Infinity as ${option}: a pause has an end; make the child "temporary" instead`);
}
