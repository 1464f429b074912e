/** Trees, counts, orders, memory: the remaining cases of OTP's supervisor_SUITE, under their names. */
import { describe, expect, test } from "vitest";
import { dynamicSupervisorSpec } from "../../src/supervisor/dynamic.ts";
import { type Supervisor, supervisorSpec } from "../../src/supervisor/supervisor.ts";
import { collectGarbage } from "../live/garbage.ts";
import { Lab, Run, abnormal, counts, failure, turn, who } from "./lab.ts";

const inner = (supervisor: Supervisor, id: string) => supervisor.child(id)!.child as Supervisor;

test("child_unlink: a child that does not even notice its kill does not hang the supervisor", async () => {
  const lab = new Lab();
  const forgotten = lab.record("child.forgotten");
  const exits = lab.record("child.exited");
  const child = lab.program("naughty_child", { temper: "immortal", shutdown: 1_000 });
  const supervisor = await lab.supervise({}, child);
  const terminated = supervisor.terminateChild("naughty_child");
  const next = supervisor.startChild(lab.program("child2").spec);
  await lab.pass(1_000);
  expect(child.run.told).toEqual(["shutdown", "kill"]);
  await lab.pass(4_999);
  expect(forgotten).toEqual([]);
  await lab.pass(1);
  await terminated;
  await next;
  expect(forgotten).toEqual([{ supervisor: "root", child: "naughty_child", why: "it did not end when it was killed" }]);
  expect(exits).toMatchObject([{ child: "naughty_child", reason: { code: "ERR_TINDERBOX_CHILD_KILLED" } }]);
  expect(who(supervisor)).toBe("naughty_child stopped, child2");
  // What it says later is nobody's concern.
  await child.exit(abnormal);
  expect([exits.length, who(supervisor)]).toEqual([1, "naughty_child stopped, child2"]);
});

test("tree", async () => {
  const lab = new Lab();
  const [one, two, three, four] = lab.some("child1 child2 child3 child4");
  three!.plans = ["ok", "fail", "fail", "fail", "fail"];
  const flags = { maxRestarts: 4, within: "1h" } as const;
  const sup1 = supervisorSpec({ id: "supchild1", ...flags, children: [one!.spec, two!.spec] }, lab.host);
  const sup2 = supervisorSpec({ id: "supchild2", ...flags }, lab.host);
  const sup3 = supervisorSpec({ id: "supchild3", ...flags, restart: "transient" }, lab.host);
  const top = await lab.supervise({ ...flags, strategy: "one_for_all" });
  await top.startChild(sup1);
  await top.startChild(sup2);
  await top.startChild(sup3);
  await top.terminateChild("supchild3");
  expect(counts(top)).toEqual([3, 2, 3, 0]);
  expect(counts(inner(top, "supchild1"))).toEqual([2, 2, 0, 2]);
  const second = inner(top, "supchild2");
  expect(counts(second)).toEqual([0, 0, 0, 0]);
  await second.startChild(three!.spec);
  await second.startChild(four!.spec);

  // Only the one that dies is started again.
  await four!.exit(abnormal);
  expect([one!, two!, three!, four!].map(({ starts }) => starts)).toEqual([1, 1, 1, 2]);
  expect(counts(inner(top, "supchild2"))).toEqual([2, 2, 0, 2]);

  // The tree is started again, but not the children that were added to it.
  await three!.exit(abnormal);
  for (let tries = 0; tries < 4; tries++) await lab.pass(0);
  expect(who(top)).toBe("supchild1, supchild2, supchild3");
  expect(counts(top)).toEqual([3, 3, 3, 0]);
  expect(inner(top, "supchild2")).not.toBe(second);
  expect(who(inner(top, "supchild1"))).toBe("child1, child2");
  expect([one!.starts, two!.starts]).toEqual([2, 2]);
  expect([who(inner(top, "supchild2")), who(inner(top, "supchild3"))]).toEqual(["", ""]);
});

test("tree: only a permanent supervisor that gave up is started again", async () => {
  for (const restart of ["permanent", "transient", "temporary"] as const) {
    const lab = new Lab();
    const exits = lab.record("child.exited");
    const leaf = lab.program("leaf");
    const middle = supervisorSpec({ id: "middle", maxRestarts: 0, children: [leaf.spec], restart }, lab.host);
    const top = await lab.supervise({ children: [middle] });
    await leaf.exit(abnormal);
    const wanted = { permanent: "middle", transient: "middle stopped", temporary: "" };
    expect(who(top)).toBe(wanted[restart]);
    expect(exits).toMatchObject([
      { supervisor: "root/middle", child: "leaf", reason: abnormal },
      { supervisor: "root", child: "middle", reason: { code: "ERR_TINDERBOX_MAX_RESTART_INTENSITY" } },
    ]);
  }
});

test("tree: that error is an error like any other when it is a worker's", async () => {
  const lab = new Lab();
  const { MaxRestartIntensityError } = await import("../../src/errors.ts");
  const worker = lab.program("worker", { restart: "transient" });
  const top = await lab.supervise({}, worker);
  await worker.exit(new MaxRestartIntensityError("of another tree"));
  expect(who(top)).toBe("worker");
});

describe("counts", () => {
  test("count_children", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    const many = Array.from({ length: 1_000 }, () => lab.program("child", { restart: "temporary" }));
    for (const { spec } of many) await supervisor.startChild(spec);
    expect(counts(supervisor)).toEqual([1_000, 1_000, 0, 1_000]);
    expect(supervisor.children().length).toBe(1_000);
    for (const { run } of many) run.exit(abnormal);
    await turn();
    expect(counts(supervisor)).toEqual([0, 0, 0, 0]);
  });

  test("count_children_supervisor", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    for (let n = 0; n < 100; n++) {
      await supervisor.startChild(lab.program("child", { restart: "temporary", type: "supervisor" }).spec);
    }
    expect(counts(supervisor)).toEqual([100, 100, 100, 0]);
  });

  test("count_restarting_children", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic({ maxRestarts: 20, within: "10s" });
    const programs = lab.some("a b c", { shutdown: "brutal_kill" });
    const handles = [];
    for (const { spec } of programs) handles.push((await supervisor.startChild(spec))!);
    for (const { run } of programs) run.exit(abnormal);
    await turn();
    expect(counts(supervisor)).toEqual([3, 3, 0, 3]);
    for (const program of programs.slice(0, 2)) {
      program.plans = ["fail", "fail"];
      await program.exit(abnormal);
    }
    expect(counts(supervisor)).toEqual([3, 1, 0, 3]);
    await lab.pass(0);
    await lab.pass(0);
    expect(counts(supervisor)).toEqual([3, 3, 0, 3]);
    for (const [index, handle] of handles.entries()) {
      await supervisor.terminateChild(handle);
      expect(counts(supervisor)).toEqual([2 - index, 2 - index, 0, 2 - index]);
    }
  });
});

describe("temporary children", () => {
  test("do_not_save_start_parameters_for_temporary_children: nothing holds them once they are gone", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    let large: object | undefined = { text: "x".repeat(1_000) };
    const gone = new WeakRef(large);
    const holding = (kept: object) => {
      const child = new Run(lab.program("child"));
      return {
        child,
        spec: { id: "child", restart: "temporary" as const, start: async () => (kept ? child : undefined) },
      };
    };
    let made: ReturnType<typeof holding> | undefined = holding(large);
    await supervisor.startChild(made.spec);
    made.child.exit("normal");
    large = made = undefined;
    await turn();
    expect(supervisor.children()).toEqual([]);
    for (let round = 0; round < 5; round++) await collectGarbage();
    expect(gone.deref()).toBeUndefined();
  });

  test.each(["one_for_all", "one_for_one", "rest_for_one"] as const)(
    "do_not_save_child_specs_for_temporary_children: %s",
    async (strategy) => {
      const lab = new Lab();
      const ways: [string, (id: string, supervisor: Supervisor) => Promise<unknown>][] = [
        ["normal", (id) => programs[id]!.exit("normal")],
        ["abnormal", (id) => programs[id]!.exit(abnormal)],
        ["supervisor", (id, supervisor) => supervisor.terminateChild(id)],
      ];
      const programs = Object.fromEntries(
        (["permanent", "transient", "temporary"] as const).map((restart) => [
          restart,
          lab.program(restart, { restart }),
        ]),
      );
      for (const [way, end] of ways) {
        const supervisor = await lab.supervise({ id: way, strategy, maxRestarts: 5 });
        const again = async (id: string) => {
          await supervisor.startChild(programs[id]!.spec);
          await end(id, supervisor);
          const answer = await failure(supervisor.startChild(programs[id]!.spec));
          return (answer as { reason?: string }).reason ?? "started";
        };
        const stopped = way === "supervisor" ? "already_present" : "already_started";
        expect([way, await again("permanent")]).toEqual([way, stopped]);
        expect([way, await again("transient")]).toEqual([
          way,
          way === "abnormal" ? "already_started" : "already_present",
        ]);
        expect([way, await again("temporary")]).toEqual([way, "started"]);
        await supervisor.stop();
      }
    },
  );
});

test("order_of_children", async () => {
  const lab = new Lab();
  const ids = "ch7 ch3 ch10 ch2 ch5";
  const programs = lab.some(ids);
  const supervisor = await lab.supervise({ strategy: "rest_for_one" }, ...programs);
  expect(lab.seen()).toBe("start ch7, start ch3, start ch10, start ch2, start ch5");
  expect(who(supervisor)).toBe(ids.replaceAll(" ", ", "));
  await programs[2]!.exit(abnormal);
  expect(lab.seen()).toBe("end ch10, stop ch5, end ch5, stop ch2, end ch2, start ch10, start ch2, start ch5");
  expect(who(supervisor)).toBe(ids.replaceAll(" ", ", "));
  await supervisor.stop();
  expect(lab.seen()).toBe(
    "stop ch5, end ch5, stop ch2, end ch2, stop ch10, end ch10, stop ch3, end ch3, stop ch7, end ch7",
  );
});

test("scale_start_stop_many_children", { timeout: 60_000 }, async () => {
  const time = async (kind: "dynamic" | "supervise", count: number) => {
    const lab = new Lab();
    const specs = Array.from({ length: count }, (_, n) => lab.task(`child${n}`, ({ signal }) => stopped(signal)));
    const begun = performance.now();
    const supervisor = await lab[kind]({});
    for (const spec of specs) await supervisor.startChild(spec);
    expect(supervisor.count().active).toBe(count);
    await supervisor.stop();
    return performance.now() - begun;
  };
  for (const kind of ["dynamic", "supervise"] as const) {
    await time(kind, 500);
    const [few, many] = [await time(kind, 1_000), await time(kind, 10_000)];
    // In proportion would be 10; OTP's own limit for its temporary children is 50.
    expect(many / few, kind).toBeLessThan(50);
  }
});

const stopped = (signal: AbortSignal) =>
  new Promise<void>((resolve) => void signal.addEventListener("abort", () => resolve()));

test("already_started_outside_supervisor: a start that refuses is tried again within the limits", async () => {
  const lab = new Lab();
  const already = new Error("already started");
  const child = lab.program("child1", { plans: ["ok", already, already, already, already] });
  const supervisor = await lab.supervise({ maxRestarts: 4, within: "1h" }, child);
  const ended = failure(supervisor.exited);
  await child.exit(abnormal);
  for (let tries = 0; tries < 4; tries++) await lab.pass(0);
  expect(await ended).toMatchObject({ cause: already });
  expect(child.starts).toBe(5);
});

describe("which_children", () => {
  test("which_children", async () => {
    const lab = new Lab();
    const one = lab.program("child1");
    const two = lab.program("child2", { plans: ["ok", "fail"], type: "supervisor" });
    const supervisor = await lab.supervise({}, one, two);
    const [first, second] = supervisor.children();
    expect(first).toMatchObject({ id: "child1", type: "worker", status: "running", child: one.run, restarts: 0 });
    await two.exit(abnormal);
    expect(second).toMatchObject({ id: "child2", type: "supervisor", status: "restarting", child: undefined });
    const since = lab.clock.wall();
    expect(second!.since).toBe(since);
    await lab.pass(70);
    expect(second).toMatchObject({ status: "running", restarts: 1, since: since + 70 });
    await supervisor.terminateChild("child1");
    expect(first).toMatchObject({ status: "stopped", child: undefined, since: since + 70 });
    expect(supervisor.describe().children).toEqual([
      { id: "child1", type: "worker", status: "stopped", restarts: 0, since: since + 70 },
      { id: "child2", type: "supervisor", status: "running", restarts: 1, since: since + 70 },
    ]);
  });

  test("which_children_simple_one_for_one", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    const [one, two] = lab.some("child child");
    await supervisor.startChild(one!.spec);
    await supervisor.startChild(two!.spec);
    expect(supervisor.children().map(({ id, child }) => [id, child])).toEqual([
      ["child", one!.run],
      ["child", two!.run],
    ]);
    two!.plans = ["fail"];
    await two!.exit(abnormal);
    expect(who(supervisor)).toBe("child, child restarting");
  });
});

test("a dynamic supervisor in a tree ends its children with it", async () => {
  const lab = new Lab();
  const child = lab.program("child");
  const top = await lab.supervise({ children: [dynamicSupervisorSpec({ id: "rooms" }, lab.host)] });
  const rooms = top.child("rooms")!.child as unknown as Awaited<ReturnType<Lab["dynamic"]>>;
  await rooms.startChild(child.spec);
  expect([rooms.path, child.contexts[0]!.path]).toEqual([
    ["root", "rooms"],
    ["root", "rooms", "child"],
  ]);
  await top.stop();
  expect(child.run.reason).toBe("shutdown");
});
