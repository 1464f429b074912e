/** Restart types and strategies: the cases of OTP's supervisor_SUITE, under their names. */
import { describe, expect, test } from "vitest";
import type { Child, ExitReason } from "../../src/ports/child.ts";
import { Lab, abnormal, counts, failure, who } from "./lab.ts";

/** OTP's `{one_for_one, 2, 3600}`. */
const twice = { maxRestarts: 2, within: "1h" } as const;

describe.each<[string, ExitReason, { permanent: string; transient: string; temporary: string }]>([
  ["normal", "normal", { permanent: "child1", transient: "child1 stopped", temporary: "" }],
  ["shutdown", "shutdown", { permanent: "child1", transient: "child1 stopped", temporary: "" }],
  ["abnormal", abnormal, { permanent: "child1", transient: "child1", temporary: "" }],
])("%s_termination", (name, reason, wanted) => {
  test.each(["permanent", "transient", "temporary"] as const)(`%s_${name}`, async (restart) => {
    const lab = new Lab();
    const child = lab.program("child1", { restart });
    const supervisor = await lab.supervise(twice, child);
    const exits = lab.record("child.exited");
    await child.exit(reason);
    expect(who(supervisor)).toBe(wanted[restart]);
    const again = wanted[restart] === "child1";
    expect(child.starts).toBe(again ? 2 : 1);
    const kept = restart === "temporary" ? 0 : 1;
    expect(counts(supervisor)).toEqual([kept, again ? 1 : 0, 0, kept]);
    expect(exits).toEqual([{ supervisor: "root", child: "child1", reason }]);
    // A specification that is kept is in the way of another, and one that is not can be given again.
    const answer = await failure(supervisor.startChild(child.spec));
    const way = (answer as { reason?: string }).reason ?? "started";
    expect(way).toBe(kept === 0 ? "started" : again ? "already_started" : "already_present");
  });
});

test.each<[string, () => Promise<unknown>, boolean]>([
  ["a rejection is an error", () => Promise.reject(abnormal), true],
  ["and so is a rejection with something else", () => Promise.reject("text"), true],
  ["a reason that is none is an error", async () => "done", true],
  ["also none at all", async () => undefined, true],
  ["a normal end is none", async () => "normal", false],
])("abnormal termination: %s", async (_, exited, again) => {
  const lab = new Lab();
  const start = async () => ({ exited: exited() as Promise<ExitReason>, stop() {} });
  const child = lab.program("child1", { restart: "transient" });
  const starts = [start, child.spec.start as () => Promise<Child>];
  const exits = lab.record("child.exited");
  const supervisor = await lab.supervise({
    children: [{ ...child.spec, start: () => starts.shift()!() }],
  });
  await lab.pass(0);
  expect(who(supervisor)).toBe(again ? "child1" : "child1 stopped");
  expect(exits.map(({ reason }) => reason instanceof Error)).toEqual([again]);
});

describe("temporary_bystander", () => {
  test.each(["one_for_all", "rest_for_one"] as const)("%s", async (strategy) => {
    const lab = new Lab();
    const one = lab.program("child1");
    const two = lab.program("child2", { restart: "temporary" });
    const supervisor = await lab.supervise({ ...twice, strategy }, one, two);
    await one.exit(abnormal);
    expect(who(supervisor)).toBe("child1");
    expect(lab.seen()).toBe("start child1, start child2, end child1, stop child2, end child2, start child1");
    expect(counts(supervisor)).toEqual([1, 1, 0, 1]);
  });
});

describe("restart_one_for_one", () => {
  test("one_for_one", async () => {
    const lab = new Lab();
    const [one, two] = lab.some("child1 child2");
    const supervisor = await lab.supervise(twice, one!, two!);
    lab.seen();
    await one!.exit(abnormal);
    expect(lab.seen()).toBe("end child1, start child1");
    expect(who(supervisor)).toBe("child1, child2");
    expect(two!.starts).toBe(1);
    expect(counts(supervisor)).toEqual([2, 2, 0, 2]);
    // Restart frequency.
    await one!.exit(abnormal);
    const ended = failure(supervisor.exited);
    await one!.exit(abnormal);
    expect(await ended).toMatchObject({ code: "ERR_TINDERBOX_MAX_RESTART_INTENSITY" });
    expect(lab.seen()).toBe("end child1, start child1, end child1, stop child2, end child2");
  });

  test("one_for_one_escalation", async () => {
    const lab = new Lab();
    const one = lab.program("child1", { plans: ["ok", "fail", "fail", "fail", "fail"] });
    const two = lab.program("child2");
    const supervisor = await lab.supervise({ maxRestarts: 4, within: "1h" }, one, two);
    const ended = failure(supervisor.exited);
    await one.exit(abnormal);
    for (let tries = 0; tries < 4; tries++) await lab.pass(0);
    expect(await ended).toMatchObject({ child: "child1", maxRestarts: 4, withinMs: 3_600_000 });
    expect(one.starts).toBe(5);
    expect(two.run.reason).toBe("shutdown");
  });
});

describe("restart_one_for_all", () => {
  test("one_for_all", async () => {
    const lab = new Lab();
    const [one, two, three] = lab.some("child1 child2 child3");
    const supervisor = await lab.supervise({ ...twice, strategy: "one_for_all" }, one!, two!, three!);
    lab.seen();
    await two!.exit(abnormal);
    expect(lab.seen()).toBe(
      "end child2, stop child3, end child3, stop child1, end child1, start child1, start child2, start child3",
    );
    expect(counts(supervisor)).toEqual([3, 3, 0, 3]);
    await three!.exit(abnormal);
    const ended = failure(supervisor.exited);
    await one!.exit(abnormal);
    expect(await ended).toMatchObject({ reason: "reached_max_restart_intensity", child: "child1" });
    expect([one!.alive, two!.alive, three!.alive]).toEqual([false, false, false]);
  });

  test("one_for_all_escalation", async () => {
    const lab = new Lab();
    const one = lab.program("child1");
    const two = lab.program("child2", { plans: ["ok", "fail", "fail", "fail", "fail"] });
    const supervisor = await lab.supervise({ maxRestarts: 4, within: "1h", strategy: "one_for_all" }, one, two);
    const ended = failure(supervisor.exited);
    await one.exit(abnormal);
    for (let tries = 0; tries < 4; tries++) await lab.pass(0);
    expect(await ended).toMatchObject({ child: "child2", cause: new Error("child2 failed") });
    expect(one.alive).toBe(false);
  });

  test("one_for_all_other_child_fails_restart", async () => {
    const lab = new Lab();
    const one = lab.program("child1");
    const two = lab.program("child2", { plans: ["ok", "fail"] });
    const supervisor = await lab.supervise({ maxRestarts: 3, within: "1h", strategy: "one_for_all" }, one, two);
    lab.seen();
    await one.exit(abnormal);
    expect(lab.seen()).toBe("end child1, stop child2, end child2, start child1, start child2");
    expect(who(supervisor)).toBe("child1, child2 restarting");
    await lab.pass(0);
    // The one that is up goes down once more: all start together.
    expect(lab.seen()).toBe("stop child1, end child1, start child1, start child2");
    expect(who(supervisor)).toBe("child1, child2");
  });

  test("a child that was stopped by hand comes back with the others, as in OTP", async () => {
    const lab = new Lab();
    const [one, two] = lab.some("child1 child2");
    const supervisor = await lab.supervise({ strategy: "one_for_all" }, one!, two!);
    await supervisor.terminateChild("child2");
    await one!.exit(abnormal);
    expect(who(supervisor)).toBe("child1, child2");
  });
});

describe("restart_rest_for_one", () => {
  test("rest_for_one", async () => {
    const lab = new Lab();
    const [one, two, three] = lab.some("child1 child2 child3");
    const supervisor = await lab.supervise({ ...twice, strategy: "rest_for_one" }, one!, two!, three!);
    lab.seen();
    await two!.exit(abnormal);
    expect(lab.seen()).toBe("end child2, stop child3, end child3, start child2, start child3");
    expect(counts(supervisor)).toEqual([3, 3, 0, 3]);
    expect(one!.starts).toBe(1);
    await three!.exit(abnormal);
    expect(lab.seen()).toBe("end child3, start child3");
    const ended = failure(supervisor.exited);
    await two!.exit(abnormal);
    expect(await ended).toMatchObject({ child: "child2" });
    expect(lab.seen()).toBe("end child2, stop child3, end child3, stop child1, end child1");
  });

  test("rest_for_one_escalation", async () => {
    const lab = new Lab();
    const one = lab.program("child1");
    const two = lab.program("child2", { plans: ["ok", "fail", "fail", "fail", "fail"] });
    const supervisor = await lab.supervise({ maxRestarts: 4, within: "1h", strategy: "rest_for_one" }, one, two);
    const ended = failure(supervisor.exited);
    await one.exit(abnormal);
    for (let tries = 0; tries < 4; tries++) await lab.pass(0);
    expect(await ended).toMatchObject({ child: "child2" });
    expect(one.alive).toBe(false);
  });

  test("rest_for_one_other_child_fails_restart", async () => {
    const lab = new Lab();
    const one = lab.program("child1");
    const [two, three] = lab.some("child2 child3");
    two!.plans = ["ok", "fail"];
    const supervisor = await lab.supervise(
      { maxRestarts: 3, within: "1h", strategy: "rest_for_one" },
      one,
      two!,
      three!,
    );
    lab.seen();
    await one.exit(abnormal);
    expect(who(supervisor)).toBe("child1, child2 restarting, child3 stopped");
    lab.seen();
    await lab.pass(0);
    // The one before it is left alone.
    expect(lab.seen()).toBe("start child2, start child3");
    expect(who(supervisor)).toBe("child1, child2, child3");
  });
});

describe("multiple_restarts", () => {
  test("multiple_restarts", async () => {
    const lab = new Lab();
    const child = lab.program("child1");
    const supervisor = await lab.supervise({ maxRestarts: 3, within: "1s" }, child);
    // Three within a second are allowed, any number of times.
    for (let round = 0; round < 5; round++) {
      for (let exits = 0; exits < 3; exits++) await child.exit(abnormal);
      expect(who(supervisor)).toBe("child1");
      await lab.pass(1_001);
    }
    expect(child.starts).toBe(16);
    const ended = failure(supervisor.exited);
    for (let exits = 0; exits < 4; exits++) await child.exit(abnormal);
    expect(await ended).toMatchObject({ name: "MaxRestartIntensityError" });
    expect(child.starts).toBe(19);
  });

  test("the window slides: restarts count for as long as it is", async () => {
    const lab = new Lab();
    const child = lab.program("child1");
    const supervisor = await lab.supervise({ maxRestarts: 1, within: "1s" }, child);
    await child.exit(abnormal);
    await lab.pass(1_001);
    await child.exit(abnormal);
    expect(who(supervisor)).toBe("child1");
    const ended = failure(supervisor.exited);
    await lab.pass(1_000);
    await child.exit(abnormal);
    expect(await ended).toMatchObject({ withinMs: 1_000 });
  });

  test("3 within 5 seconds are the default, as in Elixir", async () => {
    const lab = new Lab();
    const child = lab.program("child1");
    const supervisor = await lab.supervise({}, child);
    const ended = failure(supervisor.exited);
    for (let exits = 0; exits < 4; exits++) await child.exit("normal");
    expect(child.starts).toBe(4);
    expect(await ended).toMatchObject({
      message:
        'Cannot keep child "child1" of supervisor "root" running: more than 3 restarts within 5 s; see the cause, or allow more with "maxRestarts" and "within"',
      reason: "reached_max_restart_intensity",
      supervisor: "root",
      child: "child1",
      maxRestarts: 3,
      withinMs: 5_000,
      cause: "normal",
    });
  });

  test("maxRestarts 0: the first one is too many, and the cause is what the child died of", async () => {
    const lab = new Lab();
    const child = lab.program("child1");
    const failed = lab.record("supervisor.failed");
    const supervisor = await lab.supervise({ maxRestarts: 0 }, child);
    const ended = failure(supervisor.exited);
    await child.exit(abnormal);
    const error = await ended;
    expect((error as Error).cause).toBe(abnormal);
    expect(failed).toEqual([{ supervisor: "root", child: "child1", error }]);
    expect(child.starts).toBe(1);
    // Its end has been told, and stopping it is no error.
    await supervisor.stop();
  });

  test("restarts of different children count together, those of one restart once", async () => {
    const lab = new Lab();
    const [one, two, three] = lab.some("child1 child2 child3");
    const supervisor = await lab.supervise({ ...twice, strategy: "one_for_all" }, one!, two!, three!);
    await one!.exit(abnormal);
    await two!.exit(abnormal);
    expect(who(supervisor)).toBe("child1, child2, child3");
    const ended = failure(supervisor.exited);
    await three!.exit(abnormal);
    expect(await ended).toMatchObject({ child: "child3" });
  });
});

describe("hanging_restart_loop", () => {
  test("hanging_restart_loop", async () => {
    const lab = new Lab();
    const child = lab.program("child1", { plans: ["ok", "fail", "fail", "fail"] });
    const supervisor = await lab.supervise({ maxRestarts: 8, within: "10s" }, child);
    await child.exit(abnormal);
    expect(who(supervisor)).toBe("child1 restarting");
    expect(counts(supervisor)).toEqual([1, 0, 0, 1]);
    for (const operation of [() => supervisor.restartChild("child1"), () => supervisor.deleteChild("child1")]) {
      expect(await failure(operation())).toMatchObject({ reason: "restarting" });
    }
    expect(await failure(supervisor.startChild(child.spec))).toMatchObject({ reason: "already_present" });
    await lab.pass(0);
    await supervisor.terminateChild("child1");
    expect(who(supervisor)).toBe("child1 stopped");
    expect(lab.clock.pending({ held: true })).toBe(0);
    await lab.pass(60_000);
    expect(child.starts).toBe(3);
    await supervisor.deleteChild("child1");
    await supervisor.startChild(lab.program("child1").spec);
    expect(who(supervisor)).toBe("child1");
  });

  test("hanging_restart_loop_rest_for_one", async () => {
    const lab = new Lab();
    const one = lab.program("child1");
    const two = lab.program("child2", { plans: ["ok", "fail", "fail"] });
    const three = lab.program("child3");
    const supervisor = await lab.supervise(
      { maxRestarts: 8, within: "10s", strategy: "rest_for_one" },
      one,
      two,
      three,
    );
    await two.exit(abnormal);
    await lab.pass(0);
    expect(who(supervisor)).toBe("child1, child2 restarting, child3 stopped");
    for (const operation of [() => supervisor.restartChild("child2"), () => supervisor.deleteChild("child2")]) {
      expect(await failure(operation())).toMatchObject({ reason: "restarting" });
    }
    await supervisor.terminateChild("child2");
    await lab.pass(60_000);
    expect(who(supervisor)).toBe("child1, child2 stopped, child3 stopped");
    await supervisor.restartChild("child2");
    await supervisor.restartChild("child3");
    expect(who(supervisor)).toBe("child1, child2, child3");
  });

  test("a supervisor that is stopped between two tries stops", async () => {
    const lab = new Lab();
    const child = lab.program("child1", { plans: ["ok", "fail", "fail"] });
    const supervisor = await lab.supervise({ maxRestarts: 8 }, child);
    await child.exit(abnormal);
    await supervisor.stop();
    await lab.pass(60_000);
    expect(child.starts).toBe(2);
    expect(await supervisor.exited).toBe("shutdown");
  });

  test("failed tries do not count when nothing is tried any more, and each one is told", async () => {
    const lab = new Lab();
    const failed = lab.record("child.failed");
    const child = lab.program("child1", { plans: ["ok", "fail", "fail"] });
    const supervisor = await lab.supervise({ maxRestarts: 2, within: "1h" }, child);
    await child.exit(abnormal);
    await lab.pass(0);
    expect(failed).toEqual(
      [1, 2].map(() => ({ supervisor: "root", child: "child1", error: new Error("child1 failed") })),
    );
    await supervisor.terminateChild("child1");
    await supervisor.restartChild("child1");
    expect(who(supervisor)).toBe("child1");
    const ended = failure(supervisor.exited);
    await child.exit(abnormal);
    expect(await ended).toMatchObject({ child: "child1" });
  });
});
