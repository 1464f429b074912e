/** Starting, stopping and administering children: the cases of OTP's supervisor_SUITE, under their names. */
import { describe, expect, test } from "vitest";
import { ChildStartError } from "../../src/errors.ts";
import type { ChildSpec } from "../../src/ports/child.ts";
import type { SupervisorOptions } from "../../src/supervisor/options.ts";
import { supervisorSpec } from "../../src/supervisor/supervisor.ts";
import { Lab, abnormal, counts, failure, turn, who } from "./lab.ts";

describe("sup_start", () => {
  test("sup_start_normal", async () => {
    const lab = new Lab();
    const supervisor = await lab.supervise({ maxRestarts: 2, within: "1h" });
    expect(counts(supervisor)).toEqual([0, 0, 0, 0]);
    await supervisor.stop();
    expect(await supervisor.exited).toBe("shutdown");
  });

  test("sup_start_ignore_child", async () => {
    const lab = new Lab();
    const supervisor = await lab.supervise({});
    const [one, two] = [lab.program("child1", { plans: ["ignore"] }), lab.program("child2")];
    expect(await supervisor.startChild(one.spec)).toMatchObject({ id: "child1", status: "stopped", child: undefined });
    expect(await supervisor.startChild(two.spec)).toMatchObject({ id: "child2", status: "running", child: two.run });
    expect(who(supervisor)).toBe("child1 stopped, child2");
    expect(counts(supervisor)).toEqual([2, 1, 0, 2]);
    // It is kept, so it can be started after all, which is its first time.
    expect(await supervisor.restartChild("child1")).toMatchObject({ status: "running", restarts: 0 });
  });

  test("sup_start_ignore_temporary_child", async () => {
    const lab = new Lab();
    const one = lab.program("child1", { plans: ["ignore"], restart: "temporary" });
    const supervisor = await lab.supervise({}, one, lab.program("child2", { restart: "temporary" }));
    expect(who(supervisor)).toBe("child2");
    expect(counts(supervisor)).toEqual([1, 1, 0, 1]);
  });

  test("sup_start_ignore_temporary_child_start_child", async () => {
    const lab = new Lab();
    const supervisor = await lab.supervise({});
    const one = lab.program("child1", { plans: ["ignore"], restart: "temporary" });
    expect(await supervisor.startChild(one.spec)).toBeUndefined();
    await supervisor.startChild(lab.program("child2", { restart: "temporary" }).spec);
    expect(who(supervisor)).toBe("child2");
    expect(counts(supervisor)).toEqual([1, 1, 0, 1]);
  });

  test.each<[string, unknown]>([
    ["no object", "invalid"],
    ["null", null],
    ["children that are no list", { children: "none" }],
  ])("sup_start_error_return: %s", (_, options) => {
    expect(() => supervisorSpec(options as SupervisorOptions, new Lab().host)).toThrow(TypeError);
  });

  test("sup_start_fail", async () => {
    const lab = new Lab();
    const children = ["a", "b", "c"].map((id) => lab.program(id, { plans: id === "c" ? ["throw"] : ["ok"] }).spec);
    const error = await failure(supervisorSpec({ id: "root", children }, lab.host).start());
    expect(error).toBeInstanceOf(ChildStartError);
    expect(error).toMatchObject({
      code: "ERR_TINDERBOX_CHILD_START",
      message: 'Cannot start child "c" of supervisor "root": its start failed; see the cause',
      supervisor: "root",
      child: "c",
      cause: new Error("c threw"),
    });
    expect(lab.seen()).toBe("start a, start b, start c, stop b, end b, stop a, end a");
  });

  test.each<[string, "fail" | "throw" | { give: unknown }, string]>([
    ["rejects", "fail", "child1 failed"],
    ["throws", "throw", "child1 threw"],
    ["gives a text", { give: "error_reason" }, 'Cannot use "error_reason" as child "child1": `start` is to give'],
    ["gives null", { give: null }, 'Cannot use null as child "child1"'],
    ["gives a number", { give: 7 }, 'Cannot use 7 as child "child1"'],
    [
      "gives something that cannot be stopped",
      { give: { exited: Promise.resolve() } },
      "Cannot use an object as child",
    ],
    ["gives something that never ends", { give: { exited: true, stop() {} } }, "Cannot use an object as child"],
    ["gives something without an end", { give: { exited: null, stop() {} } }, "Cannot use an object as child"],
  ])("sup_start_child_returns_error: %s", async (_, plan, text) => {
    const lab = new Lab();
    const supervisor = await lab.supervise({});
    const error = await failure(supervisor.startChild(lab.program("child1", { plans: [plan] }).spec));
    expect(error).toMatchObject({ name: "ChildStartError", child: "child1", supervisor: "root" });
    expect(String((error as Error).cause)).toContain(text);
    expect(supervisor.children()).toEqual([]);
    expect(supervisor.child("child1")).toBeUndefined();
  });

  test("sup_start_restart_child_returns_error", async () => {
    const lab = new Lab();
    const child = lab.program("child1", { plans: ["ok", "fail"] });
    const supervisor = await lab.supervise({}, child);
    await supervisor.terminateChild("child1");
    expect(await failure(supervisor.restartChild("child1"))).toMatchObject({ cause: new Error("child1 failed") });
    expect(who(supervisor)).toBe("child1 stopped");
    // It is not tried again by itself.
    await lab.pass(60_000);
    expect(child.starts).toBe(2);
    expect(await supervisor.restartChild("child1")).toMatchObject({ status: "running" });
  });
});

describe("sup_start_map", () => {
  test("sup_start_map", async () => {
    const lab = new Lab();
    const start: ChildSpec["start"] = () => undefined;
    const supervisor = await lab.supervise({
      children: [
        { id: "child1", start },
        { id: "child2", start, shutdown: "brutal_kill", restart: "transient" },
        { id: "child3", start, type: "supervisor" },
        { id: "child5", start, shutdown: "2s" },
        { id: "child6", start, shutdown: Infinity },
        { id: "child7", start, shutdown: 0 },
      ],
    });
    const whole = { start, restart: "permanent", shutdown: 5_000, significant: false, type: "worker" };
    expect(supervisor.childSpec("child1")).toEqual({ ...whole, id: "child1" });
    expect(supervisor.childSpec("child2")).toEqual({
      ...whole,
      id: "child2",
      shutdown: "brutal_kill",
      restart: "transient",
    });
    expect(supervisor.childSpec("child3")).toEqual({
      ...whole,
      id: "child3",
      type: "supervisor",
      shutdown: "infinity",
    });
    expect(supervisor.childSpec("child4")).toBeUndefined();
    expect(["child5", "child6", "child7"].map((id) => supervisor.childSpec(id)?.shutdown)).toEqual([
      2_000,
      "infinity",
      0,
    ]);
  });

  const start: ChildSpec["start"] = () => undefined;
  test.each<[string, unknown, string]>([
    ["missing id", { start }, 'Cannot use undefined as "id" of a child: a text that is not empty is wanted'],
    ["empty id", { id: "", start }, 'Cannot use "" as "id" of a child: a text that is not empty is wanted'],
    ["id that is no text", { id: 4, start }, 'Cannot use 4 as "id" of a child: a text that is not empty is wanted'],
    [
      "missing start",
      { id: "c" },
      'Cannot use undefined as "start" of child "c": a function that gives a child is wanted',
    ],
    ["silly flag", { id: "c", start, silly: 1 }, 'Cannot use option "silly" of child "c": it does not exist'],
    ["no object", "child4", 'Cannot supervise "child4": a child specification is an object with "id" and "start"'],
    ["null", null, 'Cannot supervise null: a child specification is an object with "id" and "start"'],
    [
      "restart",
      { id: "c", start, restart: "always" },
      'Cannot use "always" as "restart" of child "c": "permanent", "transient", "temporary" are known',
    ],
    [
      "type",
      { id: "c", start, type: "person" },
      'Cannot use "person" as "type" of child "c": "worker", "supervisor" are known',
    ],
    [
      "shutdown",
      { id: "c", start, shutdown: -1 },
      'Cannot use -1 as "shutdown" of child "c", which may also be "brutal_kill" or "infinity": a duration',
    ],
    [
      "significant",
      { id: "c", start, significant: "yes" },
      'Cannot use "yes" as "significant" of child "c": true or false is wanted',
    ],
  ])("sup_start_map_faulty_specs: %s", async (_, spec, message) => {
    const lab = new Lab();
    expect(() => supervisorSpec({ children: [spec as ChildSpec] }, lab.host)).toThrow(message);
    expect(() => supervisorSpec({ children: [spec as ChildSpec] }, lab.host)).toThrow(TypeError);
    const supervisor = await lab.supervise({});
    const error = await failure(supervisor.startChild(spec as ChildSpec));
    expect(error).toBeInstanceOf(TypeError);
    expect(String(error)).toContain(message);
    expect(supervisor.children()).toEqual([]);
  });
});

describe("sup_stop", () => {
  test("sup_stop_infinity", async () => {
    const lab = new Lab();
    const one = lab.program("child1", { shutdown: "infinity", type: "supervisor" });
    const two = lab.program("child2", { shutdown: "infinity", temper: "deaf" });
    const supervisor = await lab.supervise({}, one, two);
    const stopped = supervisor.stop();
    await lab.pass(24 * 3_600_000);
    expect(two.run.told).toEqual(["shutdown"]);
    expect(one.run.told).toEqual([]);
    two.run.exit("shutdown");
    await stopped;
    expect([one.run.reason, two.run.reason]).toEqual(["shutdown", "shutdown"]);
  });

  test("sup_stop_timeout", async () => {
    const lab = new Lab();
    const one = lab.program("child1", { shutdown: 1_000 });
    const two = lab.program("child2", { shutdown: 1_000, temper: "deaf" });
    const supervisor = await lab.supervise({}, one, two);
    const stopped = supervisor.stop();
    await lab.pass(999);
    expect(lab.seen()).toBe("start child1, start child2, stop child2");
    await lab.pass(1);
    await stopped;
    expect(lab.seen()).toBe("kill child2, end child2, stop child1, end child1");
  });

  test("sup_stop_brutal_kill", async () => {
    const lab = new Lab();
    const one = lab.program("child1", { shutdown: 1_000 });
    const two = lab.program("child2", { shutdown: "brutal_kill" });
    const supervisor = await lab.supervise({}, one, two);
    await supervisor.stop();
    expect([one.run.told, two.run.told]).toEqual([["shutdown"], ["kill"]]);
  });

  test("sup_stop_race: a child that ends while the supervisor stops is neither told nor restarted", async () => {
    const lab = new Lab();
    const [one, two] = lab.some("child1 child2", { shutdown: "infinity" });
    two!.temper = "deaf";
    const supervisor = await lab.supervise({}, one!, two!);
    const stopped = supervisor.stop();
    one!.run.exit(abnormal);
    await turn();
    two!.run.exit("normal");
    await stopped;
    expect(one!.run.told).toEqual([]);
    expect([one!.starts, two!.starts]).toEqual([1, 1]);
    expect(await supervisor.exited).toBe("shutdown");
  });
});

describe("child_adm", () => {
  test("child_adm", async () => {
    const lab = new Lab();
    const child = lab.program("child1");
    const supervisor = await lab.supervise({}, child);
    expect(who(supervisor)).toBe("child1");
    expect(counts(supervisor)).toEqual([1, 1, 0, 1]);

    const refusals: [() => Promise<unknown>, string, string][] = [
      [
        () => supervisor.startChild(child.spec),
        "already_started",
        'Cannot start child "child1": one of that id is running; use another id',
      ],
      [
        () => supervisor.deleteChild("child1"),
        "running",
        'Cannot delete child "child1": it is running; terminate it first',
      ],
      [
        () => supervisor.restartChild("child1"),
        "running",
        'Cannot restart child "child1": it is running; terminate it first',
      ],
      [
        () => supervisor.terminateChild("none"),
        "not_found",
        'Cannot terminate child "none": supervisor "root" has none of that id',
      ],
      [
        () => supervisor.restartChild("none"),
        "not_found",
        'Cannot restart child "none": supervisor "root" has none of that id',
      ],
      [
        () => supervisor.deleteChild("none"),
        "not_found",
        'Cannot delete child "none": supervisor "root" has none of that id',
      ],
    ];
    for (const [operation, reason, message] of refusals) {
      expect(await failure(operation())).toMatchObject({
        name: "SupervisorError",
        reason,
        message,
        supervisor: "root",
      });
    }

    await supervisor.terminateChild("child1");
    expect(counts(supervisor)).toEqual([1, 0, 0, 1]);
    expect(supervisor.child("child1")).toMatchObject({ status: "stopped", child: undefined, value: undefined });
    // Twice is no mistake.
    await supervisor.terminateChild("child1");
    expect(await failure(supervisor.startChild(child.spec))).toMatchObject({
      reason: "already_present",
      child: "child1",
      message:
        'Cannot start child "child1": one of that id is there and not running; restart it with restartChild, or delete it first',
    });
    expect(await supervisor.restartChild("child1")).toMatchObject({
      status: "running",
      restarts: 1,
      value: "child1 2",
    });
    await supervisor.terminateChild("child1");
    await supervisor.deleteChild("child1");
    expect(who(supervisor)).toBe("");
    expect(await failure(supervisor.restartChild("child1"))).toMatchObject({ reason: "not_found" });

    await supervisor.stop();
    for (const [operation] of refusals) {
      expect(await failure(operation())).toMatchObject({ name: "SupervisorError", reason: "stopped" });
    }
    expect(await failure(supervisor.startChild(child.spec))).toMatchObject({
      message: 'Cannot start child "child1": supervisor "root" has stopped',
    });
  });

  test("child_specs: two of the same id", () => {
    const lab = new Lab();
    const children = [lab.program("child"), lab.program("child")].map(({ spec }) => spec);
    expect(() => supervisorSpec({ id: "root", children }, lab.host)).toThrow(
      'Cannot use child "child" of supervisor "root" twice: each needs an id of its own',
    );
  });

  test("extra_return: what the child offers is its value, of the run that is there", async () => {
    const lab = new Lab();
    const child = lab.program("child1");
    const supervisor = await lab.supervise({}, child);
    const handle = supervisor.child("child1")!;
    expect(handle).toBe(supervisor.children()[0]);
    expect(handle.value).toBe("child1 1");
    await child.exit(abnormal);
    expect([handle.value, handle.child, handle.restarts]).toEqual(["child1 2", child.run, 1]);
    await supervisor.terminateChild("child1");
    expect(handle.value).toBeUndefined();
  });
});

describe("sup_flags", () => {
  test.each<[unknown, string]>([
    [{ strategy: "none_for_one" }, 'Cannot use "none_for_one" as "strategy" of supervisor "supervisor"'],
    [{ maxRestarts: -1 }, 'Cannot use -1 as "maxRestarts" of supervisor "supervisor": a whole number from 0 is wanted'],
    [{ maxRestarts: Infinity }, 'Cannot use Infinity as "maxRestarts"'],
    [{ maxRestarts: 1.5 }, 'Cannot use 1.5 as "maxRestarts"'],
    [{ within: 0 }, 'Cannot use 0 as "within" of supervisor "supervisor": a time above 0 is wanted'],
    [{ within: "5" }, 'Cannot use "5" as "within"'],
    [{ within: -1 }, 'Cannot use -1 as "within"'],
    [{ autoShutdown: "sometimes" }, 'Cannot use "sometimes" as "autoShutdown"'],
    [{ id: "" }, 'Cannot use "" as "id" of supervisor'],
    [{ maxRestart: 1 }, 'Cannot use option "maxRestart" of supervisor: it does not exist; did you mean "maxRestarts"?'],
    [{ maxChildren: 1 }, 'Cannot use option "maxChildren" of supervisor: it does not exist'],
  ])("%j", (options, message) => {
    expect(() => supervisorSpec(options as SupervisorOptions, new Lab().host)).toThrow(message);
    expect(() => supervisorSpec(options as SupervisorOptions, new Lab().host)).toThrow(TypeError);
  });

  test("a supervisor is a child specification, with the defaults of one", () => {
    expect(supervisorSpec({}, new Lab().host)).toEqual({
      id: "supervisor",
      type: "supervisor",
      restart: "permanent",
      shutdown: "infinity",
      significant: false,
      start: expect.any(Function),
    });
    expect(
      supervisorSpec({ id: "x", restart: "transient", shutdown: "2s", significant: true }, new Lab().host),
    ).toEqual({
      id: "x",
      type: "supervisor",
      restart: "transient",
      shutdown: "2s",
      significant: true,
      start: expect.any(Function),
    });
  });

  test.each<[SupervisorOptions, string]>([
    [{ restart: "always" as "permanent" }, 'Cannot use "always" as "restart" of child "supervisor"'],
    [{ shutdown: -1 }, 'Cannot use -1 as "shutdown" of child "supervisor"'],
    [{ significant: true }, 'Cannot make child "supervisor" significant: a permanent child never ends for good'],
  ])("nor can it be a child that makes no sense: %j", (options, message) => {
    expect(() => supervisorSpec(options, new Lab().host)).toThrow(message);
  });
});
