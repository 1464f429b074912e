/** What each runner did, put together from the events of the package. */
import { events } from "tinderbox";
import { clear, dim, green, print, red, table, time } from "./screen.ts";

interface Entry {
  readonly phases: string[];
  pid: number;
  boot: number;
  calls: number;
  busy: number;
  lifetime: number;
  end: string;
}

const runners = new Map<string, Entry>();

/** Prints boots and ends as they happen, and keeps the books. */
export function follow(): void {
  events.on("boot.phase", ({ runner, phase, ms }) => {
    if (phase !== "requested" && phase !== "ready") entry(runner).phases.push(`${phase} ${time(ms)}`);
  });
  events.on("runner.ready", ({ runner, ms }) => {
    entry(runner).boot = ms;
    print(`  ${green("▲")} ${runner} ${dim(`up after ${time(ms)} (${entry(runner).phases.join(", ")})`)}`);
  });
  events.on("call.finished", ({ runner, ms }) => {
    entry(runner).calls++;
    entry(runner).busy += ms;
  });
  events.on("runner.gone", ({ runner, reason, ms }) => {
    Object.assign(entry(runner), { lifetime: ms, end: reason });
    print(`  ${red("▼")} ${runner} ${dim(`gone: ${reason}`)}`);
  });
  // What a closure prints appears here by itself; it only needs a free line.
  events.on("runner.log", clear);
}

export function seen(runner: string, pid: number): void {
  entry(runner).pid = pid;
}

export function report(): string[] {
  const rows = [...runners].map(([runner, { pid, boot, calls, busy, lifetime, end }]) => [
    runner,
    pid ? String(pid) : "",
    time(boot),
    String(calls),
    time(busy),
    `${Math.round((100 * busy) / lifetime)} %`,
    time(lifetime),
    end,
  ]);
  return table([["runner", "pid", "boot", "calls", "busy", "of its life", "lived", "end"], ...rows]);
}

function entry(runner: string): Entry {
  let found = runners.get(runner);
  if (!found) runners.set(runner, (found = { phases: [], pid: 0, boot: 0, calls: 0, busy: 0, lifetime: 0, end: "" }));
  return found;
}
