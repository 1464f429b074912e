/** How machines end, and what is left: nothing. */
import assert from "node:assert/strict";
import { settled, until } from "../until.ts";
import type { Guest } from "./guest.ts";
import type { BackendCase } from "./subject.ts";

/** Says its own process, a child's, and that of one that has left its session. */
export const starts = `async (context) => {
  const { spawn } = await import("node:child_process");
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, () => {});
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  const away = spawn("sleep", ["1000"], { stdio: "ignore", detached: true });
  context.progress([process.pid, child.pid, away.pid]);
  await new Promise(() => setInterval(() => {}, 1000));
}`;

/** A machine with programs, and their process numbers. */
async function busy(guest: Guest): Promise<number[]> {
  const pids = (await guest.word(starts)) as number[];
  assert.ok(pids.every(Number.isInteger), `its processes are ${pids.join(", ")}`);
  return pids;
}

export const endCases: readonly BackendCase[] = [
  {
    name: "a machine that exits tells its exit code",
    async run(subject) {
      const guest = await subject.boot();
      guest.start("() => process.exit(7)");
      assert.equal((await guest.gone()).exitCode, 7);
    },
  },
  {
    name: "a machine whose process dies of a signal tells which",
    async run(subject) {
      const guest = await subject.boot();
      guest.start(`() => process.kill(process.pid, "SIGKILL")`);
      const exit = await guest.gone();
      assert.equal(exit.signal, "SIGKILL");
      assert.equal(exit.exitCode, undefined);
    },
  },
  {
    name: "a machine that has drained exits with code 0",
    async run(subject) {
      const guest = await subject.boot();
      const running = guest.start(`() => new Promise((resolve) => setTimeout(() => resolve("done"), 300))`);
      guest.drain();
      assert.equal(await settled("its last result", subject.limits.endMs, running.result), "done");
      assert.equal((await guest.gone()).exitCode, 0);
      assert.equal(guest.drains, 1);
    },
  },
  {
    name: "exited is not told while the machine is up, and then always tells the same",
    async run(subject) {
      const guest = await subject.boot();
      const pids = await busy(guest);
      await subject.calm();
      assert.equal(guest.exit, undefined, "it was told while the machine is up");
      guest.machine.kill();
      const exit = await guest.gone();
      // It was told when the machine was gone, and not before.
      await subject.vanishes(guest.machine.id, pids[0], subject.limits.aheadMs);
      assert.deepEqual(await guest.machine.exited, exit);
      assert.ok(
        exit.exitCode !== undefined || exit.signal !== undefined || exit.reason !== undefined,
        "it tells nothing",
      );
    },
  },
  {
    name: "kill ends a machine at once, with everything that it started",
    async run(subject) {
      const guest = await subject.boot();
      const pids = await busy(guest);
      for (const pid of pids) assert.equal(await subject.alive(guest.machine.id, pid), true, `${pid} is not seen`);
      guest.machine.kill();
      await guest.gone();
      for (const pid of pids) await subject.vanishes(guest.machine.id, pid);
      await subject.vanishes(guest.machine.id);
      await until("the end of its connection", subject.limits.endMs, () => guest.left);
    },
  },
  {
    name: "kill ends a machine whose event loop is blocked",
    async run(subject) {
      const guest = await subject.boot();
      await guest.word(`(context) => { context.progress(1); for (;;); }`);
      guest.machine.kill();
      await guest.gone();
      await subject.vanishes(guest.machine.id);
    },
  },
  {
    name: "kill may come again, before the machine is up, and after its end; it never throws",
    async run(subject) {
      const early = await subject.ask({ welcomes: false });
      early.machine.kill();
      early.machine.kill();
      await early.gone();
      early.machine.kill();
      early.machine.exitNow();
      if (subject.made.isAlive) await subject.vanishes(early.machine.id);
      const guest = await subject.boot();
      assert.equal(await guest.run("() => 1"), 1);
      guest.start("() => process.exit(0)");
      await guest.gone();
      guest.machine.kill();
      assert.equal((await guest.machine.exited).exitCode, 0, "its end has changed");
    },
  },
  {
    name: "what a machine that ended by itself has started is gone with it",
    async run(subject) {
      const guest = await subject.boot();
      const pids = await busy(guest);
      guest.start("() => process.exit(0)");
      await guest.gone();
      for (const pid of pids) await subject.vanishes(guest.machine.id, pid);
    },
  },
  {
    name: "exitNow ends a machine that is to be killed with its parent, with everything that it started",
    async run(subject) {
      const guest = await subject.boot({ onParentLoss: "kill" });
      const pids = await busy(guest);
      assert.equal(guest.machine.exitNow(), undefined);
      for (const pid of pids) await subject.vanishes(guest.machine.id, pid);
      await guest.gone();
      guest.machine.exitNow();
    },
  },
  {
    name: "exitNow leaves a machine alone that is to finish what it runs",
    async run(subject) {
      const guest = await subject.boot({ onParentLoss: "drain" });
      guest.machine.exitNow();
      await subject.calm();
      assert.equal(guest.exit, undefined);
      assert.equal(await guest.run("() => 1"), 1);
    },
  },
  {
    name: "a machine ends by itself at the age that it was given, whatever it runs",
    async run(subject) {
      const lifetimeMs = 2_000;
      const guest = await subject.boot({ lifetimeMs });
      const pids = await busy(guest);
      await guest.gone(subject.limits.endMs + lifetimeMs);
      for (const pid of pids) await subject.vanishes(guest.machine.id, pid);
    },
  },
  {
    name: "a machine that its parent has let go of ends by itself, whatever it runs",
    async run(subject) {
      const guest = await subject.boot({ onParentLoss: "kill" });
      await guest.word(`({ progress }) => { progress(1); return new Promise(() => {}); }`);
      guest.session!.destroy();
      await guest.gone(subject.limits.endMs);
      if (subject.made.isAlive) await subject.vanishes(guest.machine.id);
    },
  },
];
