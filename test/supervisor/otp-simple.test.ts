/** simple_one_for_one is our dynamic supervisor: those cases of OTP's supervisor_SUITE, under their names. */
import { describe, expect, test } from "vitest";
import { Lab, abnormal, counts, failure, turn, who } from "./lab.ts";

const twice = { maxRestarts: 2, within: "1h" } as const;

describe("sup_start", () => {
  test.each(["temporary", "permanent"] as const)(
    "sup_start_ignore_%s_child_start_child_simple: it is not kept",
    async (restart) => {
      const lab = new Lab();
      const supervisor = await lab.dynamic(twice);
      expect(await supervisor.startChild(lab.program("child", { plans: ["ignore"], restart }).spec)).toBeUndefined();
      await supervisor.startChild(lab.program("child", { restart }).spec);
      expect(who(supervisor)).toBe("child");
      expect(counts(supervisor)).toEqual([1, 1, 0, 1]);
      await supervisor.stop();
      expect(await supervisor.exited).toBe("shutdown");
    },
  );

  test("sup_start_child_returns_error_simple", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic(twice);
    for (const plan of ["fail", "throw", { give: "error_reason" }] as const) {
      const error = await failure(supervisor.startChild(lab.program("child", { plans: [plan] }).spec));
      expect(error).toMatchObject({ name: "ChildStartError", child: "child" });
    }
    expect(supervisor.children()).toEqual([]);
  });

  test("sup_start_map_simple", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    const one = lab.program("child", { restart: "temporary" });
    const handle = (await supervisor.startChild(one.spec))!;
    expect(supervisor.childSpec(handle)).toEqual({
      id: "child",
      start: one.spec.start,
      restart: "temporary",
      shutdown: 5_000,
      significant: false,
      type: "worker",
    });
    await one.exit("normal");
    expect(supervisor.childSpec(handle)).toBeUndefined();
  });
});

describe("sup_stop", () => {
  test("sup_stop_timeout_dynamic: all are told at once and share their time", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    const [one, two, three] = lab.some("a b c", { shutdown: 1_000 });
    two!.temper = three!.temper = "deaf";
    for (const { spec } of [one!, two!, three!]) await supervisor.startChild(spec);
    lab.seen();
    const stopped = supervisor.stop();
    await turn();
    expect(lab.seen()).toBe("stop a, end a, stop b, stop c");
    expect(lab.clock.pending()).toBe(1);
    await lab.pass(1_000);
    await stopped;
    expect(lab.seen()).toBe("kill b, end b, kill c, end c");
  });

  test("sup_stop_brutal_kill_dynamic", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    const programs = lab.some("a b", { shutdown: "brutal_kill", temper: "deaf" });
    for (const { spec } of programs) await supervisor.startChild(spec);
    await supervisor.stop();
    expect(programs.map(({ run }) => run.told)).toEqual([["kill"], ["kill"]]);
  });

  test("sup_stop_non_shutdown_exit_dynamic: however they end, they have ended", async () => {
    const lab = new Lab();
    const exits = lab.record("child.exited");
    const supervisor = await lab.dynamic();
    const reasons = ["normal", "shutdown", abnormal] as const;
    for (const onStop of reasons) await supervisor.startChild(lab.program("child", { onStop }).spec);
    await supervisor.stop();
    expect(exits.map(({ reason }) => reason)).toEqual(reasons);
    expect(await supervisor.exited).toBe("shutdown");
  });
});

describe("child_adm_simple", () => {
  test("child_adm_simple", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    const [one, two] = lab.some("child child");
    const handle = (await supervisor.startChild(one!.spec))!;
    const other = (await supervisor.startChild(two!.spec))!;
    expect(handle).toMatchObject({ id: "child", status: "running", child: one!.run });
    expect(counts(supervisor)).toEqual([2, 2, 0, 2]);
    await supervisor.terminateChild(handle);
    expect(supervisor.children()).toEqual([other]);
    const message = 'Cannot terminate a child: it is none of supervisor "root"';
    expect(await failure(supervisor.terminateChild(handle))).toMatchObject({ reason: "not_found", message });
    // Nor by anything else than its handle.
    for (const wrong of ["child", one!.run, undefined, {}]) {
      expect(await failure(supervisor.terminateChild(wrong as never))).toMatchObject({ reason: "not_found" });
    }
    const stranger = await lab.dynamic({ id: "other" });
    expect(await failure(stranger.terminateChild(other))).toMatchObject({ reason: "not_found" });
  });
});

describe("restart_simple_one_for_one", () => {
  test("simple_one_for_one", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic(twice);
    const [one, two] = lab.some("child child");
    const handle = (await supervisor.startChild(one!.spec))!;
    await supervisor.startChild(two!.spec);
    await one!.exit(abnormal);
    expect(counts(supervisor)).toEqual([2, 2, 0, 2]);
    expect([two!.starts, handle.child, handle.restarts]).toEqual([1, one!.run, 1]);
    await two!.exit(abnormal);
    const ended = failure(supervisor.exited);
    await one!.exit(abnormal);
    expect(await ended).toMatchObject({ reason: "reached_max_restart_intensity", cause: abnormal });
    expect(two!.run.reason).toBe("shutdown");
  });

  test("simple_one_for_one_shutdown", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    const [one, two, three] = lab.some("a b c", { shutdown: "2s", temper: "deaf" });
    for (const { spec } of [one!, two!, three!]) await supervisor.startChild(spec);
    const stopped = supervisor.stop();
    await lab.pass(1_000);
    one!.run.exit("shutdown");
    two!.run.exit("shutdown");
    await lab.pass(999);
    expect(three!.run.told).toEqual(["shutdown"]);
    await lab.pass(1);
    await stopped;
    expect([one!, two!, three!].map(({ run }) => run.told.at(-1))).toEqual(["shutdown", "shutdown", "kill"]);
  });

  test("simple_one_for_one_extra", async () => {
    const lab = new Lab();
    const shared = { name: "shared" };
    const supervisor = await lab.dynamic({ extraArguments: ["extra_info", shared] });
    const child = lab.program("child");
    await supervisor.startChild(child.spec);
    await child.exit(abnormal);
    expect(child.extra).toEqual([
      ["extra_info", shared],
      ["extra_info", shared],
    ]);
    expect(child.extra[1]![1]).toBe(shared);
  });

  test("simple_one_for_one_escalation", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic({ maxRestarts: 4, within: "1h" });
    const one = lab.program("a", { plans: ["ok", "fail", "fail", "fail", "fail"] });
    const two = lab.program("b");
    await supervisor.startChild(one.spec);
    await supervisor.startChild(two.spec);
    const ended = failure(supervisor.exited);
    await one.exit(abnormal);
    for (let tries = 0; tries < 4; tries++) await lab.pass(0);
    expect(await ended).toMatchObject({ child: "a", cause: new Error("a failed") });
    expect(two.run.reason).toBe("shutdown");
  });

  test.each(["transient", "permanent"] as const)("simple_one_for_one_restart_ignore: %s", async (restart) => {
    const lab = new Lab();
    const supervisor = await lab.dynamic({ maxRestarts: 10 });
    const child = lab.program("child", { restart, plans: ["ok", "ok", "ignore"] });
    await supervisor.startChild(child.spec);
    await child.exit(abnormal);
    expect(who(supervisor)).toBe("child");
    await child.exit(abnormal);
    expect(who(supervisor)).toBe("");
    await supervisor.stop();
    expect(await supervisor.exited).toBe("shutdown");
  });

  test("hanging_restart_loop_simple", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic({ maxRestarts: 8, within: "10s" });
    const child = lab.program("child", { plans: ["ok", "fail", "fail", "fail"] });
    const handle = (await supervisor.startChild(child.spec))!;
    await child.exit(abnormal);
    await lab.pass(0);
    expect(who(supervisor)).toBe("child restarting");
    await supervisor.terminateChild(handle);
    await lab.pass(60_000);
    expect([child.starts, who(supervisor)]).toEqual([3, ""]);
  });
});
