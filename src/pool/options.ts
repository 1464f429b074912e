/** A pool's options, their defaults, and what is refused. */
import { type Duration, resolveDuration } from "../duration.ts";
import { refuseUnknown, resolveBoolean, resolveCount, show } from "../options.ts";
import type { Backend } from "../ports/backend.ts";
import type { ChildSpec } from "../ports/child.ts";
import { type Scale, drainWithin, slots } from "./scale.ts";

export interface PoolOptions {
  /** Where runners come from. @default local() */
  readonly backend?: Backend;
  /** Runners kept at all times once the pool has started. @default 0 */
  readonly min?: number;
  /** Most runners at a time. @default the number of cores for local runners */
  readonly max?: number;
  /** Executors of one runner: processes in which calls run, each with `concurrency` slots. @default 1 for local runners */
  readonly processes?: number;
  /** Calls that one executor runs at a time. @default 1 */
  readonly concurrency?: number;
  /** Idle slots kept ready ahead of demand. @default 0 */
  readonly spare?: number;
  /** Idle time after which a runner above `min` is drained. @default "60s" for local runners */
  readonly idle?: Duration;
  /** Asked on a runner that was idle for that long: as long as it says false (or a promise of it) the runner stays. */
  readonly idleCheck?: () => unknown;
  /** Age at which a runner is drained and replaced, some of them up to a tenth earlier. @default "6h" */
  readonly lifetime?: Duration;
  /** One call per runner. @default false */
  readonly singleUse?: boolean;
  /** How many runners the pool should have. @default slots() for local runners, drainWithin("5s") for remote ones */
  readonly scale?: Scale;
  /** From asking for a runner to its being ready. @default "60s" */
  readonly bootTimeout?: Duration;
  /** Execution of one call, from its dispatch. @default "30s" */
  readonly timeout?: Duration;
  /** What a drain may take. @default "30s" */
  readonly drainTimeout?: Duration;
  /** Wait of one call for a slot. @default Infinity */
  readonly queueTimeout?: Duration;
  /** Waiting calls beyond which a call fails at once. @default 10000 */
  readonly queueLimit?: number;
  /** What a runner does when its parent is gone. @default "kill" for local runners */
  readonly onParentLoss?: "kill" | "drain";
  /** Environment of the runners: names to pass on, or a record. @default [] */
  readonly env?: readonly string[] | Readonly<Record<string, string>>;
  /**
   * Like `env`, for what nobody else may see: it travels over the authenticated connection alone, and its values are
   * blotted out of what runners print. @default []
   */
  readonly secrets?: readonly string[] | Readonly<Record<string, string>>;
  /** Runs on each executor before its first call. When it fails the waiting calls get a `BootError` at once. */
  readonly setup?: () => unknown;
  /**
   * Child specs that are supervised on every runner, with its first executor: services, tasks, supervisors. They are started
   * after `setup`, in order. When one cannot be started the waiting calls get a `BootError`; when their supervisor gives up later
   * (more than 3 restarts within 5 seconds) the runner is replaced. @default []
   */
  readonly children?: readonly ChildSpec[];
  /** Binaries that are got ready, and whose workers are started, on each executor before `setup` and the first call. @default [] */
  readonly binaries?: readonly ChildSpec[];
  /** Pools, besides this one, that closures on its runners may call `flame` for, by name. @default [] */
  readonly allow?: readonly string[];
}

/** Every option, resolved; durations in milliseconds. */
export interface ResolvedPoolOptions {
  readonly backend: Backend;
  readonly min: number;
  readonly max: number;
  readonly processes: number;
  readonly concurrency: number;
  readonly spare: number;
  readonly idleMs: number;
  readonly idleCheck: (() => unknown) | undefined;
  readonly lifetimeMs: number;
  readonly singleUse: boolean;
  readonly scale: Scale;
  readonly bootTimeoutMs: number;
  readonly timeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly queueLimit: number;
  readonly onParentLoss: "kill" | "drain";
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly setup: (() => unknown) | undefined;
  readonly children: readonly ChildSpec[];
  readonly binaries: readonly ChildSpec[];
  readonly allow: readonly string[];
}

export const poolOptionNames: readonly (keyof PoolOptions)[] = [
  "backend",
  "min",
  "max",
  "processes",
  "concurrency",
  "spare",
  "idle",
  "idleCheck",
  "lifetime",
  "singleUse",
  "scale",
  "bootTimeout",
  "timeout",
  "drainTimeout",
  "queueTimeout",
  "queueLimit",
  "onParentLoss",
  "env",
  "secrets",
  "setup",
  "children",
  "binaries",
  "allow",
];

/** Throws `TypeError` for what makes no sense, naming the option. */
export function resolvePoolOptions(name: string, options: PoolOptions, fallback: Backend): ResolvedPoolOptions {
  refuseUnknown(options, poolOptionNames, `pool "${name}"`);
  const of = (option: string): string => `option "${option}" of pool "${name}"`;
  const backend = options.backend ?? fallback;
  const singleUse = resolveBoolean(options.singleUse ?? false, of("singleUse"));
  const min = resolveCount(options.min ?? 0, of("min"), 0);
  const max = resolveCount(options.max ?? Math.max(backend.defaults.max, min), of("max"), 1);
  if (min > max) throw new TypeError(`Cannot use ${min} as ${of("min")}: it is above max, which is ${max}`);
  // One call per runner leaves no use for a second slot, wherever the number came from.
  const slotsOf = (option: "processes" | "concurrency"): number => {
    const wanted = resolveCount(options[option] ?? backend.defaults[option], of(option), 1);
    return singleUse ? 1 : wanted;
  };
  const { drainWithinMs } = backend.defaults;
  const scale = options.scale ?? (drainWithinMs === undefined ? slots() : drainWithin(drainWithinMs));
  if (typeof scale !== "function")
    throw new TypeError(`Cannot use ${of("scale")}: a function of a snapshot is wanted, such as slots()`);
  const onParentLoss = options.onParentLoss ?? backend.defaults.onParentLoss;
  if (onParentLoss !== "kill" && onParentLoss !== "drain")
    throw new TypeError(`Cannot use ${show(onParentLoss)} as ${of("onParentLoss")}: "kill" or "drain" is wanted`);
  return {
    backend,
    min,
    max,
    processes: slotsOf("processes"),
    concurrency: slotsOf("concurrency"),
    singleUse,
    scale,
    onParentLoss,
    spare: resolveCount(options.spare ?? 0, of("spare"), 0),
    idleMs: resolveDuration(options.idle ?? backend.defaults.idleMs, of("idle")),
    idleCheck: resolveClosure(options.idleCheck, of("idleCheck")),
    setup: resolveClosure(options.setup, of("setup")),
    children: resolveSpecs(options.children ?? [], of("children")),
    binaries: resolveSpecs(options.binaries ?? [], of("binaries")),
    allow: resolveNames(options.allow ?? [], of("allow")),
    lifetimeMs: resolveDuration(options.lifetime ?? "6h", of("lifetime")),
    bootTimeoutMs: resolveDuration(options.bootTimeout ?? "60s", of("bootTimeout")),
    timeoutMs: resolveDuration(options.timeout ?? "30s", of("timeout")),
    drainTimeoutMs: resolveDuration(options.drainTimeout ?? "30s", of("drainTimeout")),
    queueTimeoutMs: resolveDuration(options.queueTimeout ?? Infinity, of("queueTimeout")),
    queueLimit: resolveCount(options.queueLimit ?? 10_000, of("queueLimit"), 0, true),
    env: { ...carriedEnv(backend.defaults.remote ?? false), ...resolveEnv(options.env ?? [], of("env")) },
    secrets: resolveEnv(options.secrets ?? [], of("secrets")),
  };
}

function resolveNames(given: unknown, option: string): readonly string[] {
  if (Array.isArray(given) && given.every((name) => typeof name === "string")) return given;
  throw new TypeError(`Cannot use ${show(given)} as ${option}: a list of names is wanted`);
}

function resolveSpecs(given: unknown, option: string): readonly ChildSpec[] {
  if (!Array.isArray(given)) throw new TypeError(`Cannot use ${show(given)} as ${option}: a list is wanted`);
  const ids = new Set<string>();
  for (const spec of given as readonly Partial<ChildSpec>[]) {
    if (typeof spec?.id !== "string" || typeof spec.start !== "function")
      throw new TypeError(`Cannot use ${show(spec)} in ${option}: a child spec with "id" and "start" is wanted`);
    if (ids.has(spec.id))
      throw new TypeError(`Cannot use ${show(spec.id)} in ${option} twice: each needs an id of its own`);
    ids.add(spec.id);
  }
  return given as readonly ChildSpec[];
}

function resolveClosure(given: unknown, option: string): (() => unknown) | undefined {
  if (given === undefined || typeof given === "function") return given as (() => unknown) | undefined;
  throw new TypeError(`Cannot use ${show(given)} as ${option}: a function is wanted`);
}

const ofThisMachine = /^(PATH|HOME|TMPDIR)$/;
const ofAnyMachine = /^(TZ|LANG|LC_.*|NODE_ENV)$/;

/** By itself only what says where and in which language the machine is; the rest is asked for by name. */
function carriedEnv(remote: boolean): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    const carried = ofAnyMachine.test(name) || (!remote && ofThisMachine.test(name));
    if (carried && value !== undefined) env[name] = value;
  }
  return env;
}

function resolveEnv(wanted: unknown, option: string): Record<string, string> {
  const env: Record<string, string> = {};
  if (typeof wanted !== "object" || wanted === null) {
    throw new TypeError(`Cannot use ${show(wanted)} as ${option}: a list of names or a record of strings is wanted`);
  }
  if (Array.isArray(wanted)) {
    for (const name of wanted as readonly unknown[]) {
      checkName(name, option);
      const value = process.env[name];
      if (value !== undefined) env[name] = value;
    }
    return env;
  }
  for (const [name, value] of Object.entries(wanted as Record<string, unknown>)) {
    checkName(name, option);
    // Not the value itself: this is where secrets are.
    if (typeof value !== "string") throw new TypeError(`Cannot use ${option}: the value of ${name} is not a string`);
    if (value.includes("\0")) throw new TypeError(`Cannot use ${option}: the value of ${name} holds a zero character`);
    env[name] = value;
  }
  return env;
}

/** What the system takes for a name; anything else would fail each boot instead of the declaration. */
function checkName(name: unknown, option: string): asserts name is string {
  if (typeof name === "string" && name !== "" && !/[=\0]/.test(name)) return;
  throw new TypeError(`Cannot use ${show(name)} as a name in ${option}: a name without "=" is wanted`);
}
