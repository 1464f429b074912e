/**
 * What Tinderbox keeps up in this process, and what that does to the process, which is as little as it can: its end takes
 * everything along, a signal ends everything in good order first, and live calls keep it alive.
 *
 * Whatever is started joins here, in the order of its start: pools, trees of supervisors, native programs.
 */
import { systemClock } from "./clock.ts";
import { place } from "./context.ts";
import { type Duration, resolveDuration } from "./duration.ts";
import { events } from "./events/index.ts";
import { refuseUnknown } from "./options.ts";
import type { Branch } from "./ports/child.ts";
import type { Timer } from "./ports/clock.ts";
import { printRunnerOutput } from "./print.ts";
import { cleanBranches } from "./supervisor/branches.ts";

export interface StopOptions {
  /** What calls may still take. Default: `drainTimeout` of each pool. */
  readonly timeout?: Duration;
}

export interface Member {
  /**
   * Trees end before pools, one after the other; pools end side by side; then programs, and last what is held in stores: the others may
   * use them.
   */
  readonly kind: "tree" | "pool" | "programs" | "store";
  describe(): Branch | undefined;
  /** Asks others for what `describe` is to tell. */
  look?(): Promise<unknown>;
  stop(options: StopOptions): Promise<unknown>;
  /** Everything is about to be stopped, by whatever way: what its calls may take from now on. */
  hurry?(timeoutMs: number): void;
  /** The process has nothing left to do. */
  rest?(): void;
  /** The process exits: synchronous. */
  exitNow?(): void;
}

const members = new Set<Member>();

/** The result takes it out again. */
export function join(member: Member): () => void {
  members.add(member);
  attachToProcess();
  return () => void members.delete(member);
}

/** Asks others what they keep up, so that what is described next is as it is now. */
export async function look(): Promise<void> {
  await Promise.all([...members].map((member) => member.look?.()));
}

let busy = 0;
const watchers = new Set<(some: boolean) => void>();

/** Counts what somebody who looks at this process could see: pools with runners, trees. */
export function count(change: 1 | -1): void {
  busy += change;
  if (busy === 0 || (busy === 1 && change === 1)) for (const watch of watchers) watch(busy > 0);
}

/** Told when there is something to see, and when there is nothing any more. */
export function whileSome(watch: (some: boolean) => void): void {
  watchers.add(watch);
  if (busy > 0) watch(true);
}

let live = 0;
/** Held while a call is live: a timer is the one handle that any Node stays alive for. */
let alive: Timer | undefined;

/** Counts what this process must stay for. */
export function hold(change: 1 | -1): void {
  live += change;
  if (live === 0) alive?.hold(false);
  else if (change === 1 && live === 1) (alive ??= systemClock.timer(2 ** 40, () => {})).hold(true);
}

/** On listeners of this package, of whichever copy of it. */
const ours = Symbol.for("tinderbox.signal");
const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
let attached = false;

function attachToProcess(): void {
  if (attached || place.runner) return;
  attached = true;
  printRunnerOutput(events);
  // Nothing left to do: let everything end by itself before the process does.
  process.on("beforeExit", () => {
    for (const member of members) member.rest?.();
  });
  process.on("exit", () => {
    for (const member of members) member.exitNow?.();
  });
  for (const signal of signals) {
    const listener = (): void => {
      // The application that listens itself decides when to stop: it calls shutdown(). Another copy of the package is none.
      if (process.listeners(signal).some((other) => !(ours in other))) return;
      const end = (): void => {
        process.off(signal, listener);
        process.kill(process.pid, signal);
      };
      // Whoever asks twice does not want to wait.
      if (stopping) end();
      stopping = true;
      void shutdown().finally(end);
    };
    Object.defineProperty(listener, ours, { value: true });
    // Before the application's: one that listens once is no longer counted when it has been called.
    process.prependListener(signal, listener);
  }
}

let stopping = false;

/**
 * Ends everything in good order: trees of supervisors, the one that was started last first; then all pools, which refuse new calls
 * and let those that wait and run finish within the time (the rest get a `PoolClosedError`); then native programs; then leases are released. It does not end
 * the process; Tinderbox does the same by itself on SIGTERM, SIGINT and SIGHUP, and raises the signal again, unless the
 * application listens for that signal. Does nothing on a runner.
 *
 * @param options.timeout What the calls may take. Default: `drainTimeout` of each pool.
 * @throws TypeError for options that make no sense.
 * @example
 * process.once("SIGTERM", async () => {
 *   server.close();
 *   await shutdown({ timeout: "20s" });
 * });
 */
export async function shutdown(options: StopOptions = {}): Promise<void> {
  refuseUnknown(options, ["timeout"], "shutdown");
  if (options.timeout !== undefined) resolveDuration(options.timeout, '"timeout" of shutdown()');
  if (!place.runner) await stopEverything(options);
}

/** Also on a runner, which ends what it was given to keep up. */
async function stopEverything(options: StopOptions = {}): Promise<void> {
  const { timeout } = options;
  if (timeout !== undefined) {
    const timeoutMs = resolveDuration(timeout, '"timeout" of shutdown()');
    for (const member of members) member.hurry?.(timeoutMs);
  }
  const of = (kind: Member["kind"]): Member[] => [...members].filter((member) => member.kind === kind);
  for (const tree of of("tree").toReversed()) await tree.stop(options);
  await Promise.all(of("pool").map((pool) => pool.stop(options)));
  for (const programs of of("programs").toReversed()) await programs.stop(options);
  await Promise.all(of("store").map((store) => store.stop(options)));
}

/** What there is to see, in the order of its start. */
export function describeEverything(): readonly Branch[] {
  return cleanBranches([...members].map((member) => member.describe()));
}

place.upkeep.add({ describe: describeEverything, stop: stopEverything });
