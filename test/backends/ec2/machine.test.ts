import { expect, test } from "vitest";
import type { InstanceState } from "../../../src/backends/ec2/api.ts";
import { facts, settle } from "./fake-api.ts";
import { claim, instance } from "./instance.ts";

test("one that comes in is granted what its runner needs, and what it says goes to its pool", async () => {
  const { machine, log, guest, clock } = instance();
  expect(machine).toMatchObject({ id: "i-1", booting: true });
  const admission = machine.admit({ ...claim, phases: { booted: 2, fetched: 3.5, connected: 4 } })!;
  expect(admission.grant).toEqual({
    runner: "media-1",
    token: Buffer.alloc(32, 7).toString("base64url"),
    env: { A: "b" },
    flags: ["--flag"],
    onParentLoss: "drain",
    windowMs: 5_000,
  });
  expect(machine.booting).toBe(false);
  machine.ping();
  admission.attached(guest);
  machine.ping();
  admission.beat();
  admission.output("stderr", "a line");
  admission.accept(undefined as never);
  admission.notice("spot", clock.wall() + 119_600);
  admission.notice("spot", clock.wall() - 5_000);
  await settle();
  expect(log).toEqual([
    "phase launched",
    "phase booted 2000",
    "phase fetched 500",
    "phase connected 0",
    "guest ping",
    "beat",
    "stderr a line",
    "accept",
    "leaving its spot notice: the machine is taken away in 120 s",
    "leaving its spot notice: the machine is taken away in 0 s",
  ]);
});

test("it is let in once, and not any more when it is to end", () => {
  const { machine } = instance();
  expect(machine.admit(claim)).toBeDefined();
  expect(machine.admit(claim)).toBeUndefined();
  const other = instance();
  other.machine.kill();
  expect(other.machine.booting).toBe(false);
  expect(other.machine.admit(claim)).toBeUndefined();
});

test("one that is killed before it has come in is ended by EC2, asked once, and is gone when that is confirmed", async () => {
  const { machine, log, exits, confirm } = instance();
  machine.kill();
  machine.kill();
  await settle();
  expect(log).toEqual(["phase launched", "terminate i-1"]);
  expect(exits).toEqual([]);
  confirm();
  await settle();
  expect(log.at(-1)).toBe("forget i-1");
  expect(exits).toEqual([{ reason: "EC2 has ended it" }]);
});

test("one that is in is told to end by both ways, and lets go of its connection when it is gone", async () => {
  const { machine, log, exits, guest, confirm } = instance();
  machine.admit(claim)!.attached(guest);
  machine.kill();
  confirm();
  await settle();
  expect(log).toEqual(["phase launched", "guest kill", "terminate i-1", "forget i-1", "guest gone"]);
  expect(exits).toEqual([{ reason: "EC2 has ended it" }]);
});

test("how its agent ended is how it ended, also when its connection breaks after that; it is told once", async () => {
  const { machine, log, exits, guest, confirm } = instance();
  const admission = machine.admit(claim)!;
  admission.attached(guest);
  admission.exited({ exitCode: 3 });
  admission.closed(new Error("reset"));
  machine.saw(facts("i-1", "terminated"));
  confirm();
  await settle();
  expect(exits).toEqual([{ exitCode: 3 }]);
  expect(log.filter((line) => line.startsWith("terminate"))).toEqual(["terminate i-1"]);
});

test("a connection that is lost ends it, says why, and nothing is said over it any more", async () => {
  const { machine, log, exits, guest, confirm } = instance();
  const admission = machine.admit(claim)!;
  admission.attached(guest);
  admission.closed(new Error("its window has passed"));
  machine.ping();
  machine.kill();
  confirm();
  await settle();
  expect(exits).toEqual([{ reason: "its connection was lost: its window has passed" }]);
  expect(log).toEqual(["phase launched", "terminate i-1", "forget i-1"]);
});

test("one that says goodbye is ended too: a machine that only thinks that it ends would be paid for", async () => {
  const { machine, log, exits, confirm } = instance();
  machine.admit(claim)!.closed();
  expect(log).toContain("terminate i-1");
  confirm();
  await settle();
  expect(exits).toEqual([{ reason: "EC2 has ended it" }]);
});

test.each(["pending", "running"] satisfies InstanceState[])("that it is %s is no news", async (state) => {
  const { machine, log, exits } = instance();
  machine.saw(facts("i-1", state));
  await settle();
  expect({ log, exits }).toEqual({ log: ["phase launched"], exits: [] });
});

test.each(["shutting-down", "terminated"] satisfies InstanceState[])(
  "one that is %s without our doing is gone, with EC2's reason",
  async (state) => {
    const { machine, log, exits } = instance();
    machine.saw(facts("i-1", state, { reason: "Server.SpotInstanceTermination" }));
    await settle();
    expect(exits).toEqual([{ reason: `EC2 says that it is ${state} (Server.SpotInstanceTermination)` }]);
    expect(log).toEqual(["phase launched", "forget i-1"]);
  },
);

test.each(["stopping", "stopped"] satisfies InstanceState[])(
  "one that is %s is ended: it would be paid for",
  async (state) => {
    const { machine, log, exits, confirm } = instance();
    machine.saw(facts("i-1", state));
    expect(log).toContain("terminate i-1");
    confirm();
    await settle();
    expect(exits).toEqual([{ reason: `EC2 says that it is ${state}` }]);
  },
);

test("one whose connection comes up while it is given up is let go of at once", async () => {
  const { machine, log, guest } = instance();
  const admission = machine.admit(claim)!;
  machine.saw(facts("i-1", "terminated"));
  admission.attached(guest);
  await settle();
  expect(log).toContain("guest gone");
});

test("the last words of one that does not come up are the end of its console, with the phases that it has reached", async () => {
  const text = [
    ...Array.from({ length: 30 }, (_, index) => `line ${index}`),
    "[   12.5] tinderbox boot: booted 5.5",
    "",
    "tinderbox boot: fetched 7.25",
    "  ",
    "Cannot fetch",
  ];
  const { machine, log } = instance("i-1", { console: async () => text.join("\r\n") });
  const words = await machine.lastWords();
  expect(words).toHaveLength(20);
  expect(words.at(0)).toBe("line 13");
  expect(words.slice(-3)).toEqual([
    "[   12.5] tinderbox boot: booted 5.5",
    "tinderbox boot: fetched 7.25",
    "Cannot fetch",
  ]);
  expect(log).toEqual(["phase launched", "phase booted 1750", "phase fetched 0"]);
});

test("what a machine says while it turns itself off does not hide why", async () => {
  const before = Array.from({ length: 40 }, (_, index) => `kernel ${index}`);
  const after = Array.from({ length: 60 }, (_, index) => `[  OK  ] Stopped unit ${index}`);
  const text = [...before, "[ 7.1] cloud-init[86]: tinderbox boot: failed 7.1 while fetching: no way", ...after];
  const words = await instance("i-1", { console: async () => text.join("\n") }).machine.lastWords();
  expect(words).toHaveLength(20);
  expect(words.at(0)).toBe("kernel 26");
  expect(words.slice(-6)).toEqual([text[40], ...after.slice(0, 5)]);
});

test("a console that cannot be read is said, and one that is in needs none", async () => {
  const { machine } = instance("i-1", {
    console: async () => {
      throw new Error("not allowed");
    },
  });
  expect(await machine.lastWords()).toEqual(["(its console could not be read: not allowed)"]);
  machine.admit(claim);
  expect(await machine.lastWords()).toEqual([]);
});

test("one whose boot has failed is ended, when nobody wants to look at it", async () => {
  const { machine, log } = instance();
  await machine.lastWords();
  machine.kill();
  expect(log).toContain("terminate i-1");
});

test("with keepForDebug one whose boot has failed is left running, and is of no interest any more", async () => {
  const { machine, log, exits } = instance("i-1", { keepForDebug: true });
  await machine.lastWords();
  machine.kill();
  machine.kill();
  await settle();
  expect(log).toEqual(["phase launched", "forget i-1"]);
  expect(exits).toEqual([{ reason: "it is kept for debugging, see keepForDebug" }]);
  expect(machine.admit(claim)).toBeUndefined();
});

test("with keepForDebug one whose set-up has failed is left running, without us", async () => {
  const { machine, log, guest } = instance("i-1", { keepForDebug: true });
  machine.admit(claim)!.attached(guest);
  await machine.lastWords();
  machine.kill();
  await settle();
  expect(log).toEqual(["phase launched", "forget i-1", "guest gone"]);
});

test("with keepForDebug one that is not needed any more, or has run, is ended all the same", async () => {
  const pending = instance("i-1", { keepForDebug: true });
  pending.machine.kill();
  expect(pending.log).toContain("terminate i-1");
  const ready = instance("i-1", { keepForDebug: true });
  ready.machine.admit(claim)!.attached(ready.guest);
  ready.machine.kill();
  expect(ready.log).toContain("terminate i-1");
});

test.each([
  ["kill", ["phase launched", "guest kill"]],
  ["drain", ["phase launched"]],
] as const)(
  "while its parent exits, a word may get through to one that is to %s then; EC2 cannot be asked",
  (how, said) => {
    const { machine, log, guest } = instance("i-1", {}, { onParentLoss: how });
    machine.admit(claim)!.attached(guest);
    machine.exitNow();
    expect(log).toEqual(said);
  },
);
