/**
 * The guard: a thread beside the event loop that answers the parent's beats and ends the runner when the parent is gone,
 * also while user code blocks the loop or the process is about to hang in its own exit handlers.
 *
 * It owns the inherited descriptor. End of file there means that the parent's process is no more.
 */
import { Socket } from "node:net";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { killMarked } from "../src/mark.ts";
import { removeFoldersOf, removeScratch } from "../src/scratch.ts";

export interface GuardOptions {
  readonly fd: number;
  /** What the runner may take to drain; 0 ends it at once. */
  readonly graceMs: number;
  /** Age at which the runner is ended whatever else happens; 0: never. */
  readonly lifetimeMs: number;
  /** Whose folders a killed parent cannot remove, and where they are. */
  readonly parent: { readonly pid: number; readonly base: string } | undefined;
  /** By which everything is found that this runner has started, and that has left its group. */
  readonly mark: string | undefined;
}

/** Starts the guard. `lost` is called at most once, on the main thread, when `graceMs` leaves it time to drain. */
export function startGuard(options: GuardOptions, lost: () => void): { stop(): void } {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { guard: options },
    execArgv: [],
    env: {},
    stdin: false,
  });
  worker.on("message", lost);
  worker.on("error", () => endGroup(options));
  worker.unref();
  return { stop: () => void worker.terminate() };
}

function keepWatch(options: GuardOptions): void {
  const { fd, graceMs, lifetimeMs, parent } = options;
  if (lifetimeMs > 0) setTimeout(() => endGroup(options), Math.min(lifetimeMs, longestTimer));
  const socket = new Socket({ fd, readable: true, writable: true });
  // The first sign of life starts the parent's clock.
  socket.write(Buffer.from([1]));
  socket.on("data", (beat) => void socket.write(beat));
  socket.on("error", () => {});
  socket.on("close", () => {
    if (parent) removeFoldersOf(parent.base, parent.pid);
    if (parent && graceMs === 0) removeScratch({ base: parent.base, machine: process.pid });
    if (graceMs === 0) endGroup(options);
    parentPort?.postMessage("lost");
    setTimeout(() => endGroup(options), graceMs);
  });
}

/** What `setTimeout` can wait; beyond it a timer would fire at once. */
const longestTimer = 2 ** 31 - 1;

/** A runner has a process group to itself: whatever it has started goes with it, and before it what is elsewhere. */
function endGroup({ mark }: GuardOptions): never {
  if (mark !== undefined) killMarked({ mark });
  process.kill(0, "SIGKILL");
  throw new Error("unreachable");
}

if (!isMainThread) {
  const { guard } = (workerData ?? {}) as { readonly guard?: GuardOptions };
  if (guard) keepWatch(guard);
}
