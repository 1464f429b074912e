/** Native programs of applications: with the system's clock, the events of this process, and its own output as their log. */
import { once } from "node:events";
import { systemClock } from "./clock.ts";
import { place } from "./context.ts";
import { events } from "./events/index.ts";
import { join } from "./lifecycle.ts";
import { Programs } from "./native/process.ts";
import type { StartProgram } from "./native/program.ts";
import type { ServiceOptions } from "./native/service/options.ts";
import type { Printer } from "./native/service/output.ts";
import { type ServiceDeps, serviceSpec } from "./native/service/service.ts";
import type { ChildSpec } from "./ports/child.ts";
import { printServices } from "./print.ts";
import { connects } from "./transport/probe.ts";

/** Of this process. With TINDERBOX_CGROUPS=off it works as on a system without control groups. */
export const programs = new Programs({
  clock: systemClock,
  groups: process.env["TINDERBOX_CGROUPS"] !== "off",
  unenforced(limit, name) {
    events.emit("program.unlimited", { name, limit });
    process.emitWarning(
      `Cannot enforce the limit "${limit}" of ${name}: this system lets us make no control group for it; it runs without`,
      { code: "TINDERBOX_LIMIT" },
    );
  },
  stray: (name, pids) => events.emit("program.stray", { name, pids }),
});

let kept = false;

/** From the first program on: who only imports the package has no listeners for signals from it. */
export const startProgram: StartProgram = (options) => {
  if (!kept) join({ kind: "programs", describe: () => undefined, stop: () => programs.stop() });
  kept = true;
  return programs.start(options);
};

let printing = false;

const deps: ServiceDeps = {
  clock: systemClock,
  events,
  connects,
  start: (options) => {
    if (!printing) printServices(events);
    printing = true;
    return startProgram(options);
  },
  environment: () => process.env,
  printer,
};

/** A reader of this process's output that is slow holds its services up, as it holds up any writer to a pipe. */
function printer(name: string): Printer {
  const behind = new Set<"stdout" | "stderr">();
  return {
    print(line, stream) {
      events.emit("program.log", { name, stream, line });
      if (process[stream].writableNeedDrain) behind.add(stream);
      return behind.size === 0;
    },
    async resume() {
      const waits = [...behind].filter((stream) => process[stream].writableNeedDrain);
      behind.clear();
      await Promise.all(waits.map((stream) => once(process[stream], "drain")));
    },
  };
}

/**
 * A native program as a child of a supervisor: started, waited for until it is `ready`, logged line by line as `name: line`,
 * asked for its `health`, started again as its supervisor says, and ended with all that it has started, also when this process
 * is killed.
 *
 * The program's side of the contract is to end when its stdin is closed. One that does not is sent `stop.signal` after a
 * moment, and killed after `stop.grace` (5 seconds).
 *
 * @param name What it is called in the log, in events and in the tree: 1 to 64 letters, digits, ".", "_" or "-".
 * @throws TypeError for options that make no sense. Its start fails with `CommandError` when there is no such program, and with
 * `BinaryStartError` when it is not ready in time; it ends with `BinaryExitError`.
 * @example
 * await using app = await supervisor({
 *   maxRestarts: 5,
 *   within: "30s",
 *   children: [service("hot-path", { command: "./hot-path", args: ["--port", "7000"], ready: /listening/ })],
 * }).start();
 */
export function service(name: string, options: ServiceOptions): ChildSpec {
  return serviceSpec(name, options, deps);
}

place.handles.set("service", (data) => {
  const { name, options } = data as { readonly name: string; readonly options: ServiceOptions };
  return service(name, options).start;
});
