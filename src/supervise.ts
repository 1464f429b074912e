/** Supervision for applications: with the system's clock and the events of this process. */
import { systemClock } from "./clock.ts";
import { place } from "./context.ts";
import { events } from "./events/index.ts";
import { count, join } from "./lifecycle.ts";
import type { ChildSpec, ExitReason } from "./ports/child.ts";
import { type DynamicSupervisor, type DynamicSupervisorSpec, dynamicSupervisorSpec } from "./supervisor/dynamic.ts";
import type { SupervisorHost } from "./supervisor/host.ts";
import type { DynamicSupervisorOptions, SupervisorOptions } from "./supervisor/options.ts";
import { type Supervisor, type SupervisorSpec, supervisorSpec } from "./supervisor/supervisor.ts";
import { type TaskContext, type TaskOptions, taskSpec } from "./supervisor/task.ts";
import { standFor } from "./value/port.ts";

const host: SupervisorHost = { clock: systemClock, events };

/**
 * Keeps children running: starts them in order, starts those again that end, and stops them in the reverse order. The meaning is
 * that of OTP's supervisor. What it gives is a child specification, so it can be a child of another supervisor.
 *
 * A child that could not be started, or ended, too often (more than `maxRestarts` times, 3, within `within`, 5 seconds) ends its
 * supervisor: that is the end of a child for the supervisor above, and for the topmost one an error, which ends the process
 * unless `exited` is handled. A supervisor does not keep the process alive by itself; only what its children do, a restart that
 * is due, and a stop that is under way do. On a runner `start` starts nothing.
 *
 * @throws TypeError for options and specifications that make no sense.
 * @example
 * import { setTimeout as sleep } from "node:timers/promises";
 * import { supervisor, task } from "tinderbox";
 *
 * const beat = task("beat", async ({ signal }) => {
 *   for (;;) {
 *     console.log("beat");
 *     await sleep(1_000, undefined, { signal });
 *   }
 * });
 * const app = await supervisor({ id: "app", maxRestarts: 5, within: "1m", children: [beat] }).start();
 * console.log(app.count(), app);
 * await app.stop();
 */
export function supervisor(options: SupervisorOptions = {}): SupervisorSpec {
  const spec = supervisorSpec(options, host);
  const start: SupervisorSpec["start"] = async (context) => {
    if (place.runner) return inert(spec.id);
    return context ? spec.start(context) : grow(spec.id, await spec.start());
  };
  return { ...spec, start: standFor(start, "supervisor", options) };
}

/**
 * Keeps children running that come and go: each is started by `startChild`, is restarted for itself, and all are stopped at
 * the same time. The meaning is that of Elixir's DynamicSupervisor. See `supervisor` for what both have in common.
 *
 * @throws TypeError for options that make no sense.
 * @example
 * import { once } from "node:events";
 * import { dynamicSupervisor, task } from "tinderbox";
 *
 * const rooms = await dynamicSupervisor({ id: "rooms", maxChildren: 1_000 }).start();
 * const room = await rooms.startChild(task("room", ({ signal }) => once(signal, "abort"), { restart: "transient" }));
 * if (room) await rooms.terminateChild(room);
 * await rooms.stop();
 */
export function dynamicSupervisor(options: DynamicSupervisorOptions = {}): DynamicSupervisorSpec {
  const spec = dynamicSupervisorSpec(options, host);
  const start: DynamicSupervisorSpec["start"] = async (context) => {
    if (place.runner) return inert(spec.id);
    return context ? spec.start(context) : grow(spec.id, await spec.start());
  };
  return { ...spec, start: standFor(start, "dynamicSupervisor", options) };
}

/**
 * A function as a child of a supervisor. It is up as soon as it has begun or, if it takes `ready` from its argument, when it
 * calls that; what it gives to `ready` is the `value` of the child.
 *
 * When it returns, its work is done ("normal"), and when it throws, that is the error that it ended with. To stop it, `signal`
 * is aborted; ending then, also by the abort itself, is "shutdown". A function that does not heed `signal` cannot be ended: after
 * `shutdown` (5 seconds) it is forgotten, with the event `child.forgotten`. As any child it is `permanent` by default: one whose
 * work is to come to an end wants `restart: "transient"`, or `"temporary"`.
 *
 * @throws TypeError for options that make no sense.
 * @example
 * import { once } from "node:events";
 * import { createServer } from "node:http";
 * import { supervisor, task } from "tinderbox";
 *
 * const web = task("web", async ({ signal, ready }) => {
 *   const server = createServer((request, response) => response.end("hello"));
 *   await once(server.listen({ port: 0, signal }), "listening");
 *   ready(server);
 *   await once(server, "close");
 * });
 * const app = await supervisor({ children: [web] }).start();
 * console.log(app.child("web")?.value);
 * await app.stop();
 */
export function task(id: string, run: (context: TaskContext) => unknown, options: TaskOptions = {}): ChildSpec {
  const spec = taskSpec(id, run, options, host);
  return { ...spec, start: standFor(spec.start, "task", { id, run, options }) };
}

/** One that no other supervisor has started is the root of a tree of its own, which ends with everything else. */
function grow<S extends Supervisor | DynamicSupervisor>(id: string, root: S): S {
  const since = systemClock.wall();
  const leave = join({
    kind: "tree",
    describe: () => ({ id, type: "supervisor", status: "running", restarts: 0, since, ...root.describe() }),
    stop: () => root.stop(),
  });
  count(1);
  void root.gone.then(() => {
    leave();
    count(-1);
  });
  return root;
}

// Sent to a runner as one of the `children` of its pool they are what they were: there, the runner is who starts them.
place.handles.set("supervisor", (options) => supervisorSpec(options as SupervisorOptions, host).start);
place.handles.set(
  "dynamicSupervisor",
  (options) => dynamicSupervisorSpec(options as DynamicSupervisorOptions, host).start,
);
place.handles.set("task", (data) => {
  const { id, run, options } = data as { id: string; run: (context: TaskContext) => unknown; options: TaskOptions };
  return taskSpec(id, run, options, host).start;
});

/** On a runner the application's modules are loaded for their functions; what they keep running is kept running elsewhere. */
function inert(id: string): Supervisor & DynamicSupervisor {
  const { promise: exited, resolve } = Promise.withResolvers<ExitReason>();
  const nothing = async (): Promise<undefined> => undefined;
  const stop = async (): Promise<void> => resolve("shutdown");
  return {
    id,
    path: [id],
    exited,
    gone: exited.then(() => {}),
    stop,
    [Symbol.asyncDispose]: stop,
    startChild: nothing,
    restartChild: nothing as unknown as Supervisor["restartChild"],
    terminateChild: nothing,
    deleteChild: nothing,
    child: () => undefined,
    childSpec: () => undefined,
    children: () => [],
    count: () => ({ specs: 0, active: 0, supervisors: 0, workers: 0 }),
    describe: () => ({ children: [] }),
  };
}
