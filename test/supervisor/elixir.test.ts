/** Elixir's own cases, dynamic_supervisor_test and supervisor_test, under their names. */
import { describe, expect, test } from "vitest";
import type { ChildSpec, ExitReason } from "../../src/ports/child.ts";
import { type DynamicSupervisor, dynamicSupervisorSpec } from "../../src/supervisor/dynamic.ts";
import type { DynamicSupervisorOptions } from "../../src/supervisor/options.ts";
import { Lab, type ProgramOptions, abnormal, counts, failure, turn, who } from "./lab.ts";

/** Starts children of the same options and lets the last one end. */
async function three(lab: Lab, supervisor: DynamicSupervisor, options: ProgramOptions) {
  const programs = lab.some("child1 child2 child3", options);
  for (const { spec } of programs) await supervisor.startChild(spec);
  return programs;
}

const told = (programs: readonly { run: { told: string[] } }[]) => programs.map(({ run }) => run.told.join(" "));
const ended = (programs: readonly { run: { reason: ExitReason | undefined } }[]) =>
  programs.map(({ run }) => run.reason);

describe("dynamic_supervisor_test", () => {
  test("can be supervised directly", async () => {
    const lab = new Lab();
    const supervisor = await lab.supervise({ children: [dynamicSupervisorSpec({ id: "dynamic" }, lab.host)] });
    const dynamic = supervisor.child("dynamic")!;
    expect([dynamic.type, (dynamic.child as DynamicSupervisor).children()]).toEqual(["supervisor", []]);
  });

  test("multiple supervisors can be supervised and identified with simple child spec", async () => {
    const lab = new Lab();
    const specs = ["one", "two"].map((id) => dynamicSupervisorSpec({ id }, lab.host));
    const supervisor = await lab.supervise({ children: specs });
    expect(who(supervisor)).toBe("one, two");
    await supervisor.startChild(dynamicSupervisorSpec({}, lab.host));
    expect(await failure(supervisor.startChild(dynamicSupervisorSpec({}, lab.host)))).toMatchObject({
      reason: "already_started",
      child: "supervisor",
    });
  });

  test("use/2 › generates child_spec/1", () => {
    const { host } = new Lab();
    const spec = { type: "supervisor", significant: false, start: expect.any(Function) };
    expect(dynamicSupervisorSpec({}, host)).toEqual({
      ...spec,
      id: "supervisor",
      restart: "permanent",
      shutdown: "infinity",
    });
    expect(dynamicSupervisorSpec({ id: "id", restart: "temporary", shutdown: "brutal_kill" }, host)).toEqual({
      ...spec,
      id: "id",
      restart: "temporary",
      shutdown: "brutal_kill",
    });
  });

  test("init/1 › set default options: 3 restarts within 5 seconds, any number of children", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic({});
    const child = lab.program("child");
    await supervisor.startChild(child.spec);
    expect(child.extra).toEqual([[]]);
    const end = failure(supervisor.exited);
    for (let exits = 0; exits < 4; exits++) await child.exit(abnormal);
    expect(await end).toMatchObject({ maxRestarts: 3, withinMs: 5_000 });
  });

  test.each<[unknown, string]>([
    [{ strategy: "one_for_all" }, 'Cannot use option "strategy" of dynamicSupervisor: it does not exist'],
    [{ maxRestarts: -1 }, 'Cannot use -1 as "maxRestarts" of supervisor "supervisor": a whole number from 0 is wanted'],
    [{ within: 0 }, 'Cannot use 0 as "within" of supervisor "supervisor": a time above 0 is wanted'],
    [
      { maxChildren: -1 },
      'Cannot use -1 as "maxChildren" of supervisor "supervisor": a whole number from 0 or Infinity is wanted',
    ],
    [{ maxChildren: 0.5 }, 'Cannot use 0.5 as "maxChildren"'],
    [{ extraArguments: -1 }, 'Cannot use -1 as "extraArguments" of supervisor "supervisor": an array is wanted'],
    [{ autoShutdown: "any_significant" }, 'Cannot use option "autoShutdown" of dynamicSupervisor: it does not exist'],
    [{ children: [] }, 'Cannot use option "children" of dynamicSupervisor: it does not exist'],
    ["unknown", 'Cannot use "unknown" as options of dynamicSupervisor: an object is wanted'],
    [null, "Cannot use null as options of dynamicSupervisor: an object is wanted"],
  ])("start_link/3 › with non-ok init: %j", (options, message) => {
    expect(() => dynamicSupervisorSpec(options as DynamicSupervisorOptions, new Lab().host)).toThrow(message);
    expect(() => dynamicSupervisorSpec(options as DynamicSupervisorOptions, new Lab().host)).toThrow(TypeError);
  });

  describe("start_child/2", () => {
    test("supports new child spec", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const child = lab.program("child");
      expect(await supervisor.startChild(child.spec)).toMatchObject({
        id: "child",
        child: child.run,
        value: "child 1",
      });
    });

    test("supports extra arguments", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ extraArguments: [1, "two"] });
      const child = lab.program("child");
      await supervisor.startChild(child.spec);
      expect(child.extra).toEqual([[1, "two"]]);
    });

    const start: ChildSpec["start"] = () => undefined;
    test.each<[unknown, string]>([
      [{}, 'Cannot use undefined as "id" of a child'],
      [{ id: "c", start: 2 }, 'Cannot use 2 as "start" of child "c"'],
      [{ id: "c", start, shutdown: -1 }, 'Cannot use -1 as "shutdown" of child "c"'],
      [{ id: "c", start, significant: true }, 'Cannot make child "c" significant'],
    ])("with invalid child spec: %j", async (spec, message) => {
      const lab = new Lab();
      const error = await failure((await lab.dynamic()).startChild(spec as ChildSpec));
      expect(error).toBeInstanceOf(TypeError);
      expect(String(error)).toContain(message);
    });

    test("with different returns", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const begin = (plans: ProgramOptions["plans"]) =>
        failure(supervisor.startChild(lab.program("child", { plans: plans! }).spec));
      expect(await begin(["ok"])).toMatchObject({ value: { value: "child 1" } });
      expect(await begin(["ignore"])).toEqual({ value: undefined });
      expect(await begin([new Error("found")])).toMatchObject({ cause: new Error("found") });
      expect(await begin([{ give: "unknown" }])).toMatchObject({ cause: expect.any(TypeError) });
    });

    test("with throw/error/exit", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const oops = { id: "oops", start: () => { throw "oops"; } }; // prettier-ignore
      expect(await failure(supervisor.startChild(oops))).toMatchObject({ name: "ChildStartError", cause: "oops" });
      const fails = lab.program("fails", { plans: ["throw"] });
      expect(await failure(supervisor.startChild(fails.spec))).toMatchObject({ cause: new Error("fails threw") });
    });

    test("with max_children", async () => {
      const lab = new Lab();
      const child = lab.program("child");
      const supervisor = await lab.dynamic({ maxChildren: 0 });
      expect(await failure(supervisor.startChild(child.spec))).toMatchObject({
        reason: "max_children",
        child: "child",
        message: 'Cannot start child "child": supervisor "root" has 0 already; raise "maxChildren", or terminate one',
      });
      expect(child.starts).toBe(0);
    });

    test("with max_children, of those that are there", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ maxChildren: 2 });
      const programs = lab.some("a b c", { restart: "temporary" });
      const started = await Promise.all(programs.map(({ spec }) => failure(supervisor.startChild(spec))));
      expect(started[2]).toMatchObject({ reason: "max_children" });
      await programs[0]!.exit("normal");
      await supervisor.startChild(programs[2]!.spec);
      expect(who(supervisor)).toBe("b, c");
    });

    test.each<[string, ExitReason, [number, number, number]]>([
      ["shutdown", "shutdown", [0, 0, 1]],
      ["normal", "normal", [0, 0, 1]],
      ["whatever", abnormal, [0, 1, 1]],
    ])("a child is restarted according to its type: %s", async (_, reason, wanted) => {
      for (const [index, restart] of (["temporary", "transient", "permanent"] as const).entries()) {
        const lab = new Lab();
        const supervisor = await lab.dynamic();
        const child = lab.program("child", { restart });
        await supervisor.startChild(child.spec);
        await child.exit(reason);
        const count = wanted[index];
        expect([restart, supervisor.count()]).toEqual([
          restart,
          { specs: count, active: count, supervisors: 0, workers: count },
        ]);
      }
    });

    test("child is restarted with different values", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ maxRestarts: 100_000 });
      const add = async (plans: ProgramOptions["plans"]) => {
        const child = lab.program("child", { plans: plans! });
        await supervisor.startChild(child.spec);
        await child.exit("shutdown");
      };
      await add(["ok", "ok"]);
      expect(counts(supervisor)).toEqual([1, 1, 0, 1]);
      await add(["ok", "ignore"]);
      expect(counts(supervisor)).toEqual([1, 1, 0, 1]);
      await add(["ok", "fail"]);
      expect(counts(supervisor)).toEqual([2, 1, 0, 2]);
      await add(["ok", { give: "unknown" }]);
      expect(counts(supervisor)).toEqual([3, 1, 0, 3]);
      expect(who(supervisor)).toBe("child, child restarting, child restarting");
    });

    test("restarting on init children counted in max_children", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ maxChildren: 1, maxRestarts: 100_000 });
      const child = lab.program("child", { plans: ["ok", "fail"] });
      await supervisor.startChild(child.spec);
      await child.exit("shutdown");
      expect(counts(supervisor)).toEqual([1, 0, 0, 1]);
      expect(await failure(supervisor.startChild(lab.program("other").spec))).toMatchObject({ reason: "max_children" });
    });

    test("restarting on exit children counted in max_children", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ maxChildren: 1, maxRestarts: 100_000 });
      const child = lab.program("child");
      await supervisor.startChild(child.spec);
      await child.exit("shutdown");
      expect(counts(supervisor)).toEqual([1, 1, 0, 1]);
      expect(await failure(supervisor.startChild(lab.program("other").spec))).toMatchObject({ reason: "max_children" });
    });

    test("restarting a child with extra_arguments successfully restarts child", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ extraArguments: ["extra"] });
      const child = lab.program("child", { restart: "transient", plans: ["ok", "fail", "ok"] });
      await supervisor.startChild(child.spec);
      await child.exit(abnormal);
      await lab.pass(0);
      expect(child.extra).toEqual([["extra"], ["extra"], ["extra"]]);
      expect(counts(supervisor)).toEqual([1, 1, 0, 1]);
    });

    test("child is restarted when trying again", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ maxRestarts: 2 });
      const child = lab.program("child", { plans: ["ok", "fail", "ok"] });
      await supervisor.startChild(child.spec);
      await child.exit("shutdown");
      expect(counts(supervisor)).toEqual([1, 0, 0, 1]);
      await lab.pass(0);
      expect(counts(supervisor)).toEqual([1, 1, 0, 1]);
    });

    test("child triggers maximum restarts", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ maxRestarts: 1 });
      const child = lab.program("child", { plans: ["ok", "fail"] });
      await supervisor.startChild(child.spec);
      const end = failure(supervisor.exited);
      await child.exit("shutdown");
      await lab.pass(0);
      expect(await end).toMatchObject({ name: "MaxRestartIntensityError", maxRestarts: 1 });
      expect(child.starts).toBe(2);
    });

    test("child triggers maximum intensity when trying again", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ maxRestarts: 10 });
      const child = lab.program("child", { plans: ["ok", ...Array(20).fill("fail")] });
      await supervisor.startChild(child.spec);
      const end = failure(supervisor.exited);
      await child.exit("shutdown");
      for (let tries = 0; tries < 10; tries++) await lab.pass(0);
      expect(await end).toMatchObject({ maxRestarts: 10, cause: new Error("child failed") });
      expect(child.starts).toBe(11);
    });

    test.each([0, 1])("with valid shutdown: %i", async (shutdown) => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const child = lab.program("child", { shutdown, temper: "deaf" });
      const terminated = supervisor.terminateChild((await supervisor.startChild(child.spec))!);
      await lab.pass(shutdown);
      await terminated;
      expect(child.run.told).toEqual(["shutdown", "kill"]);
    });
  });

  describe("terminate/2", () => {
    test("terminates children with brutal kill", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const programs = await three(lab, supervisor, { shutdown: "brutal_kill" });
      await supervisor.stop();
      expect(told(programs)).toEqual(["kill", "kill", "kill"]);
    });

    test("terminates children with infinity shutdown", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const programs = await three(lab, supervisor, { shutdown: "infinity", temper: "deaf" });
      const stopped = supervisor.stop();
      await lab.pass(3_600_000);
      expect(told(programs)).toEqual(["shutdown", "shutdown", "shutdown"]);
      for (const { run } of programs) run.exit("shutdown");
      await stopped;
    });

    test.each(["infinity", 1_000] as const)(
      "terminates children with %s shutdown and abnormal reason",
      async (shutdown) => {
        const lab = new Lab();
        const supervisor = await lab.dynamic();
        const programs = await three(lab, supervisor, { shutdown, onStop: abnormal });
        await supervisor.stop();
        expect(ended(programs)).toEqual([abnormal, abnormal, abnormal]);
        expect(told(programs)).toEqual(["shutdown", "shutdown", "shutdown"]);
        expect(await supervisor.exited).toBe("shutdown");
      },
    );

    test("terminates children with integer shutdown", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const programs = await three(lab, supervisor, { shutdown: 1_000 });
      await supervisor.stop();
      expect(ended(programs)).toEqual(["shutdown", "shutdown", "shutdown"]);
    });

    test("terminates children with expired integer shutdown", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const programs = await three(lab, supervisor, { shutdown: 1 });
      programs[1]!.temper = "deaf";
      const stopped = supervisor.stop();
      await turn();
      await lab.pass(1);
      await stopped;
      expect(told(programs)).toEqual(["shutdown", "shutdown kill", "shutdown"]);
    });

    test("terminates children with permanent restart and normal reason", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const programs = await three(lab, supervisor, { shutdown: "infinity", restart: "permanent", onStop: "normal" });
      await supervisor.stop();
      expect(ended(programs)).toEqual(["normal", "normal", "normal"]);
      expect(programs.map(({ starts }) => starts)).toEqual([1, 1, 1]);
    });

    test("terminates with mixed children: one timer for each distinct time", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const kinds = ["infinity", "brutal_kill", 1_000, "1s", 2_000, "infinity"] as const;
      const programs = kinds.map((shutdown) => lab.program("child", { shutdown, temper: "immortal" }));
      for (const { spec } of programs) await supervisor.startChild(spec);
      const stopped = supervisor.stop();
      expect(told(programs)).toEqual(["shutdown", "kill", "shutdown", "shutdown", "shutdown", "shutdown"]);
      // 1 and 2 seconds, and how long a killed one may take.
      expect(lab.clock.pending()).toBe(3);
      await lab.pass(1_000);
      expect(told(programs)).toEqual(["shutdown", "kill", "shutdown kill", "shutdown kill", "shutdown", "shutdown"]);
      await lab.pass(1_000);
      expect(told(programs)[4]).toBe("shutdown kill");
      for (const index of [0, 5]) programs[index]!.run.exit("shutdown");
      await lab.pass(5_000);
      await stopped;
    });
  });

  describe("terminate_child/2", () => {
    test.each(["brutal_kill", 1_000] as const)("terminates child with %s shutdown", async (shutdown) => {
      const lab = new Lab();
      const supervisor = await lab.dynamic();
      const child = lab.program("child", { shutdown });
      const handle = (await supervisor.startChild(child.spec))!;
      await supervisor.terminateChild(handle);
      expect(child.run.told).toEqual([shutdown === "brutal_kill" ? "kill" : "shutdown"]);
      expect(await failure(supervisor.terminateChild(handle))).toMatchObject({ reason: "not_found" });
      expect(counts(supervisor)).toEqual([0, 0, 0, 0]);
      expect(handle).toMatchObject({ status: "stopped", child: undefined });
    });

    test("terminates restarting child", async () => {
      const lab = new Lab();
      const supervisor = await lab.dynamic({ maxRestarts: 100_000 });
      const child = lab.program("child", { plans: ["ok", ...Array(10).fill("fail")] });
      const handle = (await supervisor.startChild(child.spec))!;
      await child.exit("shutdown");
      await supervisor.terminateChild(handle);
      expect(await failure(supervisor.terminateChild(handle))).toMatchObject({ reason: "not_found" });
      expect(counts(supervisor)).toEqual([0, 0, 0, 0]);
      await lab.pass(1_000);
      expect(child.starts).toBe(2);
    });
  });
});

describe("supervisor_test", () => {
  test("start_link/2: a child that stops is there again, and what it offers is new", async () => {
    const lab = new Lab();
    const stack = lab.program("stack");
    const supervisor = await lab.supervise({}, stack);
    expect(supervisor.child("stack")?.value).toBe("stack 1");
    await stack.exit("normal");
    expect(supervisor.child("stack")?.value).toBe("stack 2");
    await supervisor.stop();
  });

  test("child life-cycle", async () => {
    const lab = new Lab();
    const stack = lab.program("stack");
    const supervisor = await lab.supervise({});
    expect([who(supervisor), counts(supervisor)]).toEqual(["", [0, 0, 0, 0]]);
    await supervisor.startChild(stack.spec);
    expect([who(supervisor), counts(supervisor)]).toEqual(["stack", [1, 1, 0, 1]]);
    expect(await failure(supervisor.deleteChild("stack"))).toMatchObject({ reason: "running" });
    await supervisor.terminateChild("stack");
    await supervisor.restartChild("stack");
    expect(supervisor.child("stack")?.value).toBe("stack 2");
    await supervisor.terminateChild("stack");
    await supervisor.deleteChild("stack");
    await supervisor.stop();
  });
});
