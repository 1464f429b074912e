/**
 * A parent of its own, for the cases in which it ends. argv: the module that makes the backend, how it goes on, `onParentLoss`,
 * milliseconds that a machine may take to boot. Prints one line of JSON when the machine is as far as the case wants it.
 *
 * How it goes on: "booting" does nothing more once `boot` has resolved, "up" once the machine is ready; "works" runs something until
 * it is killed; "exits" does the same and exits when its input ends, as a process does that has pools.
 */
import { finishesMs } from "./code.ts";
import { BackendSubject, type BackendUnderTest } from "./subject.ts";

const [module, mode, onParentLoss, bootMs] = process.argv.slice(2) as [string, string, "kill" | "drain", string];
const { make } = (await import(module)) as { make(): BackendUnderTest | Promise<BackendUnderTest> };
const ms = Number(bootMs);
const subject = new BackendSubject(await make(), { bootMs: ms, endMs: ms, aloneMs: ms, aheadMs: 0, module });
const say = (words: object): void => void process.stdout.write(`${JSON.stringify(words)}\n`);

/** One that may drain finishes by itself, and is not to be ended before; one that is to be killed would never end. */
const worksMs = onParentLoss === "drain" ? finishesMs : 2 ** 30;
const works = `async (context) => {
  const { spawn } = await import("node:child_process");
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, () => {});
  const away = spawn("sleep", ["1000"], { stdio: "ignore", detached: true });
  context.progress([process.pid, away.pid]);
  await new Promise((resolve) => setTimeout(resolve, ${worksMs}));
}`;

const guest = await subject.ask({ onParentLoss });
if (mode === "booting") say({ machine: guest.machine.id, pids: [] });
else {
  await guest.up();
  guest.session!.hold(false);
  if (mode === "up") say({ machine: guest.machine.id, pids: [] });
  else {
    const pids = await guest.word(works);
    process.on("exit", () => guest.machine.exitNow());
    process.stdin.on("end", () => process.exit(3)).resume();
    say({ machine: guest.machine.id, pids });
  }
}
