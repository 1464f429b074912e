/**
 * The guard: a thread beside the event loop that answers the parent's beats and ends the runner when the parent is gone,
 * also while user code blocks the loop or the process is about to hang in its own exit handlers.
 *
 * It owns the inherited descriptor. End of file there means that the parent's process is no more.
 */
import { Socket } from "node:net";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";

interface GuardData {
  readonly guard: { readonly fd: number; readonly graceMs: number };
}

/** Starts the guard. `lost` is called at most once, on the main thread, when `graceMs` leaves it time to drain. */
export function startGuard(fd: number, graceMs: number, lost: () => void): { stop(): void } {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { guard: { fd, graceMs } } satisfies GuardData,
    execArgv: [],
    env: {},
    stdin: false,
  });
  worker.on("message", lost);
  worker.on("error", () => endGroup());
  worker.unref();
  return { stop: () => void worker.terminate() };
}

function keepWatch({ fd, graceMs }: GuardData["guard"]): void {
  const socket = new Socket({ fd, readable: true, writable: true });
  // The first sign of life starts the parent's clock.
  socket.write(Buffer.from([1]));
  socket.on("data", (beat) => void socket.write(beat));
  socket.on("error", () => {});
  socket.on("close", () => {
    if (graceMs === 0) endGroup();
    parentPort?.postMessage("lost");
    setTimeout(endGroup, graceMs);
  });
}

/** The runner leads a process group: whatever it has started goes with it. */
function endGroup(): never {
  try {
    process.kill(-process.pid, "SIGKILL");
  } catch {
    process.kill(process.pid, "SIGKILL");
  }
  throw new Error("unreachable");
}

if (!isMainThread && (workerData as Partial<GuardData> | null)?.guard) keepWatch((workerData as GuardData).guard);
