/** Nothing hangs: starts that do not answer, children that do not end, and being told twice. */
import { describe, expect, test } from "vitest";
import { AbortError } from "../../src/errors.ts";
import { dynamicSupervisorSpec } from "../../src/supervisor/dynamic.ts";
import { supervisorSpec } from "../../src/supervisor/supervisor.ts";
import { Lab, Run, abnormal, failure, turn, who } from "./lab.ts";

describe("stop while a start is pending", () => {
  test("aborts its signal, and the start that rejects then is the end of it", async () => {
    const lab = new Lab();
    const child = lab.program("slow", { plans: ["hang"] });
    const supervisor = await lab.supervise({}, lab.program("first"));
    const started = failure(supervisor.startChild(child.spec));
    await turn();
    const { signal } = child.contexts[0]!;
    expect(signal.aborted).toBe(false);
    const stopped = supervisor.stop();
    expect(signal.reason).toBeInstanceOf(AbortError);
    expect(signal.reason).toMatchObject({ message: 'Cannot start child "slow": its start was aborted' });
    child.refuse(signal.reason);
    await stopped;
    expect(await started).toMatchObject({ name: "ChildStartError", child: "slow", cause: signal.reason as Error });
    expect(lab.clock.pending()).toBe(0);
    expect(await supervisor.exited).toBe("shutdown");
  });

  test("what comes up late is killed, and stop waits for its end", async () => {
    const lab = new Lab();
    const child = lab.program("slow", { plans: ["hang"], temper: "immortal" });
    const supervisor = await lab.supervise({});
    const started = failure(supervisor.startChild(child.spec));
    await turn();
    let over = false;
    const stopped = supervisor.stop().then(() => (over = true));
    await lab.pass(4_000);
    const late = child.newRun();
    child.answer(late);
    await turn();
    expect([late.told, over]).toEqual([["kill"], false]);
    late.exit("shutdown");
    await stopped;
    expect(await started).toMatchObject({ cause: { code: "ABORT_ERR" } });
  });

  test("a start that never answers is forgotten after its shutdown time, and killed should it come up", async () => {
    const lab = new Lab();
    const forgotten = lab.record("child.forgotten");
    const child = lab.program("stuck", { plans: ["hang"], shutdown: 2_000 });
    const supervisor = await lab.supervise({}, lab.program("first"));
    void failure(supervisor.startChild(child.spec));
    await turn();
    const stopped = supervisor.stop();
    await lab.pass(1_999);
    expect(forgotten).toEqual([]);
    expect(lab.clock.pending({ held: true })).toBe(1);
    await lab.pass(1);
    await stopped;
    expect(forgotten).toEqual([
      { supervisor: "root", child: "stuck", why: "its start did not answer when it was aborted" },
    ]);
    const late = child.newRun();
    child.answer(late);
    await turn();
    expect(late.told).toEqual(["kill"]);
  });

  test.each<[string, "brutal_kill" | "infinity", "shutdown" | "kill", number]>([
    ["a brutal_kill child has as long as a killed one", "brutal_kill", "shutdown", 5_000],
    ["a kill shortens any time", "infinity", "kill", 5_000],
    ["infinity is infinity", "infinity", "shutdown", Infinity],
  ])("%s", async (_, shutdown, mode, ms) => {
    const lab = new Lab();
    const child = lab.program("stuck", { plans: ["hang"], shutdown });
    const supervisor = await lab.supervise({});
    void failure(supervisor.startChild(child.spec));
    await turn();
    let over = false;
    void supervisor.stop(mode).then(() => (over = true));
    await lab.pass(4_999);
    expect(over).toBe(false);
    await lab.pass(1);
    expect(over).toBe(ms === 5_000);
    await lab.pass(3_600_000);
    expect(over).toBe(ms === 5_000);
    child.refuse(abnormal);
    await turn();
    expect(over).toBe(true);
  });

  test("also the start of a restart: nothing is tried again", async () => {
    const lab = new Lab();
    const child = lab.program("child", { plans: ["ok", "hang"] });
    const failed = lab.record("child.failed");
    const supervisor = await lab.supervise({ backoff: 10 }, child);
    await child.exit(abnormal);
    await lab.pass(10);
    expect(who(supervisor)).toBe("child starting");
    const stopped = supervisor.stop();
    child.refuse(abnormal);
    await stopped;
    expect([lab.clock.pending({ held: true }), failed]).toEqual([0, []]);
  });

  test("what was asked before and has not begun is refused", async () => {
    const lab = new Lab();
    const hanging = lab.program("hanging", { plans: ["hang"] });
    const supervisor = await lab.supervise({}, lab.program("first"));
    const answers = [hanging, ...lab.some("a b")].map(({ spec }) => failure(supervisor.startChild(spec)));
    answers.push(failure(supervisor.terminateChild("first")));
    await turn();
    const stopped = supervisor.stop();
    hanging.refuse(abnormal);
    await stopped;
    expect(await Promise.all(answers)).toMatchObject([
      { name: "ChildStartError" },
      { reason: "stopped" },
      { reason: "stopped" },
      { reason: "stopped" },
    ]);
    expect(lab.seen()).toBe("start first, start hanging, stop first, end first");
  });

  test("a child that waits for its own supervisor's end in its start does not hang it", async () => {
    const lab = new Lab();
    const supervisor = await lab.supervise({});
    const start = async () => {
      await supervisor.stop();
      return undefined;
    };
    const started = failure(supervisor.startChild({ id: "knot", start, shutdown: 1_000 }));
    await turn();
    await lab.pass(1_000);
    expect(await supervisor.exited).toBe("shutdown");
    expect(await started).toMatchObject({ name: "ChildStartError" });
  });
});

describe("the start of the supervisor itself", () => {
  test("is aborted by the signal of its context: what is up goes down again", async () => {
    const lab = new Lab();
    const controller = new AbortController();
    const [one, two, three] = lab.some("a b c");
    two!.plans = ["hang"];
    const spec = supervisorSpec({ id: "root", children: [one!.spec, two!.spec, three!.spec] }, lab.host);
    const started = failure(spec.start({ signal: controller.signal }));
    await turn();
    controller.abort();
    expect(two!.contexts[0]!.signal.aborted).toBe(true);
    two!.refuse(two!.contexts[0]!.signal.reason);
    expect(await started).toMatchObject({ name: "ChildStartError", child: "b", cause: { code: "ABORT_ERR" } });
    expect(lab.seen()).toBe("start a, start b, stop a, end a");
  });

  test("does not begin when that has aborted already", async () => {
    const lab = new Lab();
    const child = lab.program("a");
    const context = { signal: AbortSignal.abort() };
    for (const spec of [
      supervisorSpec({ children: [child.spec] }, lab.host),
      supervisorSpec({}, lab.host),
      dynamicSupervisorSpec({}, lab.host),
    ]) {
      expect(await failure(spec.start(context))).toMatchObject({ name: expect.stringMatching(/Error$/) });
    }
    expect(child.starts).toBe(0);
  });

  test("is not disturbed by it afterwards", async () => {
    const lab = new Lab();
    const controller = new AbortController();
    const child = lab.program("a");
    const supervisor = await supervisorSpec({ children: [child.spec] }, lab.host).start({ signal: controller.signal });
    controller.abort();
    await turn();
    expect(who(supervisor)).toBe("a");
    await supervisor.stop();
  });

  test("in a tree is aborted from above, and waited for", async () => {
    const lab = new Lab();
    const up = lab.program("up", { temper: "deaf", shutdown: 1_000 });
    const hanging = lab.program("hanging", { plans: ["hang"] });
    const inner = supervisorSpec({ id: "inner", children: [up.spec, hanging.spec] }, lab.host);
    const top = await lab.supervise({});
    const started = failure(top.startChild(inner));
    await turn();
    const stopped = top.stop();
    hanging.refuse(abnormal);
    await turn();
    expect(up.run.told).toEqual(["shutdown"]);
    await lab.pass(1_000);
    await stopped;
    expect(up.run.told).toEqual(["shutdown", "kill"]);
    expect(await started).toMatchObject({
      child: "inner",
      supervisor: "root",
      cause: { child: "hanging", supervisor: "root/inner", cause: abnormal },
    });
  });

  test("that fails in a tree is a failed start of the supervisor above, with the whole way in its causes", async () => {
    const lab = new Lab();
    const inner = supervisorSpec({ id: "inner", children: [lab.program("bad", { plans: ["fail"] }).spec] }, lab.host);
    const outer = supervisorSpec({ id: "outer", children: [inner] }, lab.host);
    expect(await failure(outer.start())).toMatchObject({
      message: 'Cannot start child "inner" of supervisor "outer": its start failed; see the cause',
      cause: {
        message: 'Cannot start child "bad" of supervisor "outer/inner": its start failed; see the cause',
        cause: new Error("bad failed"),
      },
    });
  });
});

describe("terminateChild while that child is being started again", () => {
  test("gives up the start instead of waiting for it", async () => {
    const lab = new Lab();
    const child = lab.program("child", { plans: ["ok", "hang"] });
    const supervisor = await lab.supervise({}, child);
    await child.exit(abnormal);
    const terminated = supervisor.terminateChild("child");
    expect(child.contexts[1]!.signal.aborted).toBe(true);
    child.refuse(abnormal);
    await terminated;
    expect(who(supervisor)).toBe("child stopped");
    await lab.pass(1_000);
    expect(child.starts).toBe(2);
  });

  test("but one that somebody asked to be started is waited for, and stopped then", async () => {
    for (const operation of ["startChild", "restartChild"] as const) {
      const lab = new Lab();
      const child = lab.program("child", { plans: operation === "startChild" ? ["hang"] : ["ok", "hang"] });
      const supervisor = await lab.supervise({});
      if (operation === "restartChild") {
        await supervisor.startChild(child.spec);
        await supervisor.terminateChild("child");
      }
      const started = operation === "startChild" ? supervisor.startChild(child.spec) : supervisor.restartChild("child");
      await turn();
      const terminated = supervisor.terminateChild("child");
      expect(child.contexts.at(-1)!.signal.aborted).toBe(false);
      child.answer(child.newRun());
      expect(await started).toMatchObject({ id: "child" });
      await terminated;
      expect(child.run.told).toEqual(["shutdown"]);
    }
  });

  test("of a dynamic supervisor", async () => {
    const lab = new Lab();
    const child = lab.program("child", { plans: ["ok", "hang"] });
    const supervisor = await lab.dynamic();
    const handle = (await supervisor.startChild(child.spec))!;
    await child.exit(abnormal);
    const terminated = supervisor.terminateChild(handle);
    expect(child.contexts[1]!.signal.aborted).toBe(true);
    child.refuse(abnormal);
    await terminated;
    expect(supervisor.children()).toEqual([]);
  });
});

describe("stop", () => {
  test("twice, or when it has ended, is the same end", async () => {
    const lab = new Lab();
    const child = lab.program("a", { temper: "deaf", shutdown: 1_000 });
    const supervisor = await lab.supervise({}, child);
    const stops = [supervisor.stop(), supervisor.stop("shutdown"), supervisor[Symbol.asyncDispose]()];
    await lab.pass(1_000);
    await Promise.all(stops);
    await supervisor.stop();
    await supervisor.stop("kill");
    expect(child.run.told).toEqual(["shutdown", "kill"]);
  });

  test("kill gives nobody time, and all are told at once", async () => {
    const lab = new Lab();
    const programs = lab.some("a b c", { temper: "immortal", shutdown: "infinity" });
    const forgotten = lab.record("child.forgotten");
    const supervisor = await lab.supervise({}, ...programs);
    let over = false;
    void supervisor.stop("kill").then(() => (over = true));
    await turn();
    for (const { run } of programs) expect(run.told).toContain("kill");
    expect(programs.flatMap(({ run }) => run.told)).not.toContain("shutdown");
    await lab.pass(5_000);
    expect(over).toBe(true);
    expect(await supervisor.exited).toBe("shutdown");
    expect(forgotten.map(({ child }) => child).toSorted()).toEqual(["a", "b", "c"]);
  });

  test("a child that ends just when it is forgotten is forgotten", async () => {
    const lab = new Lab();
    const exits = lab.record("child.exited");
    const child = lab.program("a", { temper: "immortal", shutdown: "brutal_kill" });
    const supervisor = await lab.supervise({}, child);
    lab.events.on("child.forgotten", () => child.run.exit("shutdown"));
    const stopped = supervisor.stop();
    await lab.pass(5_000);
    await stopped;
    expect(exits).toMatchObject([{ reason: { code: "ERR_TINDERBOX_CHILD_KILLED" } }]);
  });

  test("kill after shutdown ends the patience at once", async () => {
    const lab = new Lab();
    const programs = lab.some("a b", { temper: "deaf", shutdown: "infinity" });
    const supervisor = await lab.supervise({}, ...programs);
    const stopped = supervisor.stop();
    await lab.pass(60_000);
    expect(programs.map(({ run }) => run.told)).toEqual([[], ["shutdown"]]);
    void supervisor.stop("kill");
    await stopped;
    expect(programs.map(({ run }) => run.told.at(-1))).toEqual(["kill", "kill"]);
  });

  test("kill goes down the tree", async () => {
    const lab = new Lab();
    const leaf = lab.program("leaf", { temper: "deaf", shutdown: "infinity" });
    const inner = supervisorSpec({ id: "inner", children: [leaf.spec], shutdown: "1s" }, lab.host);
    const supervisor = await lab.supervise({ children: [inner] });
    const stopped = supervisor.stop();
    await lab.pass(999);
    expect(leaf.run.told).toEqual(["shutdown"]);
    await lab.pass(1);
    await stopped;
    expect(leaf.run.told).toEqual(["shutdown", "kill"]);
  });

  test("while others are being restarted ends all the same", async () => {
    const lab = new Lab();
    const one = lab.program("a");
    const two = lab.program("b", { temper: "deaf", shutdown: 1_000 });
    const supervisor = await lab.supervise({ strategy: "one_for_all" }, one, two);
    await one.exit(abnormal);
    const stopped = supervisor.stop();
    await lab.pass(1_000);
    await stopped;
    expect([one.starts, two.starts]).toEqual([1, 1]);
  });

  test("a child whose stop throws is killed at once, and what stop promises is not waited for", async () => {
    const lab = new Lab();
    const make = (stop: (mode: string) => unknown) => {
      const run = new Run(lab.program("odd"));
      const told: string[] = [];
      const child = {
        exited: run.exited,
        stop(mode: string) {
          told.push(mode);
          if (mode === "kill") run.exit("shutdown");
          return stop(mode);
        },
      };
      return { told, spec: { start: () => child, shutdown: 1_000 } };
    };
    const thrower = make(() => {
      throw new Error("no");
    });
    const never = make(() => new Promise(() => {}));
    const rejecter = make(() => Promise.reject(new Error("no")));
    const children = [
      { id: "rejecter", ...rejecter.spec },
      { id: "never", ...never.spec },
      { id: "thrower", ...thrower.spec },
    ];
    const supervisor = await lab.supervise({ children });
    const stopped = supervisor.stop();
    await turn();
    expect([thrower.told, never.told, rejecter.told]).toEqual([["shutdown", "kill"], ["shutdown"], []]);
    await lab.pass(1_000);
    await lab.pass(1_000);
    await stopped;
    expect(rejecter.told).toEqual(["shutdown", "kill"]);
  });
});

test("operations are done one at a time, in the order in which they were asked", async () => {
  const lab = new Lab();
  const supervisor = await lab.supervise({});
  const [a, b] = lab.some("a b");
  a!.plans = ["hang"];
  const done: string[] = [];
  const note = (name: string, promise: Promise<unknown>) => promise.then(() => done.push(name));
  const all = [
    note("start a", supervisor.startChild(a!.spec)),
    note("start b", supervisor.startChild(b!.spec)),
    note("end a", supervisor.terminateChild("a")),
    note("delete a", supervisor.deleteChild("a")),
    note("end b", supervisor.terminateChild("b")),
    note("restart b", supervisor.restartChild("b")),
  ];
  await turn();
  expect([done, lab.seen()]).toEqual([[], "start a"]);
  expect(who(supervisor)).toBe("a starting");
  a!.answer(a!.newRun());
  await Promise.all(all);
  expect(done).toEqual(["start a", "start b", "end a", "delete a", "end b", "restart b"]);
  expect(lab.seen()).toBe("start b, stop a, end a, stop b, end b, start b");
});

test("an exit waits for its turn too", async () => {
  const lab = new Lab();
  const one = lab.program("a");
  const two = lab.program("b", { plans: ["hang"] });
  const supervisor = await lab.supervise({}, one);
  void supervisor.startChild(two.spec);
  await turn();
  await one.exit(abnormal);
  expect([one.starts, supervisor.count().active]).toEqual([1, 0]);
  two.answer(two.newRun());
  await turn();
  expect(one.starts).toBe(2);
});

test("a child that ends while its supervisor stops it, or has just been told to, has one end", async () => {
  const lab = new Lab();
  const exits = lab.record("child.exited");
  const child = lab.program("a", { temper: "deaf" });
  const supervisor = await lab.supervise({}, child);
  const terminated = supervisor.terminateChild("a");
  await child.exit(abnormal);
  await terminated;
  expect(exits).toEqual([{ supervisor: "root", child: "a", reason: abnormal }]);
  expect([who(supervisor), child.starts]).toEqual(["a stopped", 1]);
  expect(lab.clock.pending({ held: true })).toBe(0);
});

test("the supervisor that gives up takes the others along in the reverse order, each in its time", async () => {
  const lab = new Lab();
  const [a, b, c] = lab.some("a b c", { shutdown: 1_000 });
  a!.temper = "deaf";
  const supervisor = await lab.supervise({ maxRestarts: 0 }, a!, b!, c!);
  let error: unknown;
  supervisor.exited.catch((reason: unknown) => (error = reason));
  lab.seen();
  await b!.exit(abnormal);
  expect([lab.seen(), error]).toEqual(["end b, stop c, end c, stop a", undefined]);
  expect(await failure(supervisor.startChild(lab.program("d").spec))).toMatchObject({ reason: "stopped" });
  const stopped = supervisor.stop();
  await lab.pass(1_000);
  expect(error).toMatchObject({ name: "MaxRestartIntensityError" });
  await stopped;
});
