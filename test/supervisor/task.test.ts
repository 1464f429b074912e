/** A function as a child: when it is up, how it ends, and what is left of one that does not. */
import { getEventListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { AbortError } from "../../src/errors.ts";
import type { TaskContext, TaskOptions } from "../../src/supervisor/task.ts";
import { Lab, abnormal, failure, turn, who } from "./lab.ts";

/** Runs until it is told to stop. */
const until = (signal: AbortSignal) =>
  new Promise<void>((resolve) => void signal.addEventListener("abort", () => resolve()));

describe("a task is up", () => {
  test("as soon as it has begun, when it does not take `ready`", async () => {
    const lab = new Lab();
    let begun = false;
    const task = lab.task("t", ({ signal }) => {
      begun = true;
      return until(signal);
    });
    const supervisor = await lab.supervise({ children: [task] });
    expect([begun, who(supervisor), supervisor.child("t")?.value]).toEqual([true, "t", undefined]);
  });

  test("when it calls `ready`, if it takes that; what it gives is its value", async () => {
    const lab = new Lab();
    let isReady: TaskContext["ready"] | undefined;
    const next = lab.program("next");
    const task = lab.task("t", async ({ signal, ready }) => {
      isReady = ready;
      await until(signal);
    });
    const supervisor = await lab.supervise({});
    const started = supervisor.startChild(task);
    void supervisor.startChild(next.spec);
    await turn();
    expect([who(supervisor), next.starts]).toEqual(["t starting", 0]);
    isReady!({ connection: 1 });
    expect(await started).toMatchObject({ status: "running", value: { connection: 1 } });
    await turn();
    expect(who(supervisor)).toBe("t, next");
    isReady!("again");
    expect(supervisor.child("t")?.value).toEqual({ connection: 1 });
  });

  test.each<[boolean, string]>([
    [true, "t starting"],
    [false, "t"],
  ])("as `waitForReady: %s` says", async (waitForReady, wanted) => {
    const lab = new Lab();
    const context: TaskContext[] = [];
    const run = async (given: TaskContext) => {
      if (!waitForReady) given.ready.toString();
      await turn();
      context.push(given);
      await until(given.signal);
    };
    const supervisor = await lab.supervise({});
    void supervisor.startChild(lab.task("t", run, { waitForReady }));
    await turn();
    await turn();
    expect(who(supervisor)).toBe(wanted);
    context[0]!.ready(5);
    await turn();
    expect([who(supervisor), supervisor.child("t")?.value]).toEqual(["t", waitForReady ? 5 : undefined]);
  });

  test("or over: one that returns without having been ready has done its work", async () => {
    const lab = new Lab();
    const exits = lab.record("child.exited");
    const task = lab.task("t", async ({ ready }) => void ready, { restart: "temporary" });
    const supervisor = await lab.supervise({ children: [task] });
    await turn();
    expect([who(supervisor), exits[0]?.reason]).toEqual(["", "normal"]);
  });

  test.each<[string, (context: TaskContext) => unknown]>([
    ["rejects", async ({ ready }) => Promise.reject([ready, abnormal][1])],
    [
      "throws",
      ({ ready }) => {
        void ready;
        throw abnormal;
      },
    ],
  ])("or could not be started: one that %s before", async (_, run) => {
    const lab = new Lab();
    const supervisor = await lab.supervise({});
    expect(await failure(supervisor.startChild(lab.task("t", run)))).toMatchObject({ child: "t", cause: abnormal });
    expect(supervisor.children()).toEqual([]);
  });

  test("an error after that is its end, not that of its start", async () => {
    const lab = new Lab();
    const exits = lab.record("child.exited");
    const run = async ({ ready }: TaskContext) => {
      ready();
      throw abnormal;
    };
    const supervisor = await lab.supervise({ children: [lab.task("t", run, { restart: "temporary" })] });
    await turn();
    expect([who(supervisor), exits[0]?.reason]).toEqual(["", abnormal]);
  });
});

describe("a task ends", () => {
  const ways: [string, TaskOptions, (context: TaskContext) => unknown, unknown][] = [
    ["by returning: normal", {}, () => "result", "normal"],
    ["by returning later: normal", {}, () => turn(), "normal"],
    ["by throwing at once", {}, () => { throw abnormal; }, abnormal], // prettier-ignore
    ["by rejecting", {}, () => Promise.reject(abnormal), abnormal],
    ["by rejecting with an abort that nobody asked for", {}, () => Promise.reject(new AbortError("own")), expect.any(AbortError)],
  ]; // prettier-ignore
  test.each(ways)("%s", async (_, options, run, reason) => {
    const lab = new Lab();
    const exits = lab.record("child.exited");
    await lab.supervise({ children: [lab.task("t", run, { restart: "temporary", ...options })] });
    await turn();
    await turn();
    expect(exits).toEqual([{ supervisor: "root", child: "t", reason }]);
  });

  const stops: [string, (signal: AbortSignal) => unknown, unknown][] = [
    ["by returning", until, "shutdown"],
    ["by its signal's reason", (signal) => until(signal).then(() => signal.throwIfAborted()), "shutdown"],
    ["by an AbortError of Node's", (signal) => sleep(3_600_000, undefined, { signal }), "shutdown"],
    ["by another error", (signal) => until(signal).then(() => Promise.reject(abnormal)), abnormal],
    ["by no error at all", (signal) => until(signal).then(() => Promise.reject(undefined)), expect.any(Error)],
  ];
  test.each(stops)("when it is told to, %s", async (_, run, reason) => {
    const lab = new Lab();
    const exits = lab.record("child.exited");
    const supervisor = await lab.supervise({ children: [lab.task("t", ({ signal }) => run(signal))] });
    await supervisor.stop();
    expect(exits).toEqual([{ supervisor: "root", child: "t", reason }]);
  });

  test("its signal says why", async () => {
    const lab = new Lab();
    let reason: unknown;
    const run = ({ signal }: TaskContext) => until(signal).then(() => (reason = signal.reason));
    await (await lab.supervise({ children: [lab.task("t", run)] })).stop();
    expect(reason).toMatchObject({ code: "ABORT_ERR", message: 'Cannot go on with task "t": it was told to stop' });
  });

  test("by being started again it begins anew, with a signal that has not aborted", async () => {
    const lab = new Lab();
    const signals: AbortSignal[] = [];
    const run = ({ signal }: TaskContext) => signals.push(signal) && until(signal);
    const supervisor = await lab.supervise({ children: [lab.task("t", run)] });
    await supervisor.terminateChild("t");
    await supervisor.restartChild("t");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });
});

describe("a task that does not end", () => {
  test("is forgotten when it is killed, with an event; its later end is nobody's", async () => {
    const lab = new Lab();
    const forgotten = lab.record("child.forgotten");
    const exits = lab.record("child.exited");
    let end: (error?: unknown) => void = () => {};
    const run = () => new Promise((_resolve, reject) => (end = reject));
    const supervisor = await lab.supervise({ children: [lab.task("deaf", run, { shutdown: 100 })] });
    const stopped = supervisor.stop();
    await lab.pass(100);
    await stopped;
    expect(forgotten).toEqual([
      { supervisor: "root", child: "deaf", why: "it is a function, which cannot be ended from outside" },
    ]);
    expect(exits).toMatchObject([
      {
        child: "deaf",
        reason: {
          code: "ERR_TINDERBOX_CHILD_KILLED",
          message:
            'Cannot wait for child "deaf" any longer: it is a function, which cannot be ended from outside; it is forgotten',
        },
      },
    ]);
    end(abnormal);
    await turn();
    expect([forgotten.length, exits.length]).toEqual([1, 1]);
  });

  test("is not killed when it has ended", async () => {
    const lab = new Lab();
    const forgotten = lab.record("child.forgotten");
    const child = (await lab.task("t", () => 1).start({ signal: new AbortController().signal }))!;
    expect(await child.exited).toBe("normal");
    child.stop("kill");
    child.stop("shutdown");
    expect(forgotten).toEqual([]);
  });

  test("and was never ready is forgotten when its start is aborted", async () => {
    const lab = new Lab();
    const forgotten = lab.record("child.forgotten");
    const supervisor = await lab.supervise({});
    const run = ({ ready }: TaskContext) => new Promise(() => void ready);
    const started = failure(supervisor.startChild(lab.task("t", run, { shutdown: 100 })));
    await turn();
    const stopped = supervisor.stop();
    await lab.pass(100);
    await stopped;
    expect(await started).toMatchObject({ name: "ChildStartError" });
    expect(forgotten.map(({ child }) => child)).toEqual(["t"]);
  });

  test("one that is not ready and ends when its start is aborted is waited for", async () => {
    const lab = new Lab();
    const supervisor = await lab.supervise({});
    let cleaned = false;
    const run = async ({ signal, ready }: TaskContext) => {
      void ready;
      await until(signal);
      await turn();
      cleaned = true;
    };
    void failure(supervisor.startChild(lab.task("t", run)));
    await turn();
    await supervisor.stop();
    expect(cleaned).toBe(true);
  });

  test("starting it by hand with a signal leaves nothing on that signal", async () => {
    const lab = new Lab();
    const { signal } = new AbortController();
    const child = await lab.task("t", ({ signal: own }) => until(own)).start({ signal });
    expect(getEventListeners(signal, "abort")).toEqual([]);
    child!.stop("shutdown");
    expect(await child!.exited).toBe("shutdown");
  });
});

test.each<[unknown[], string]>([
  [["", () => 1], 'Cannot use "" as name of a task: a text that is not empty is wanted'],
  [[1, () => 1], "Cannot use 1 as name of a task"],
  [["t", "run"], 'Cannot use "run" as task "t": a function is wanted'],
  [
    ["t", () => 1, { restarts: 1 }],
    'Cannot use option "restarts" of task "t": it does not exist; did you mean "restart"?',
  ],
  [["t", () => 1, { waitForReady: "yes" }], 'Cannot use "yes" as "waitForReady" of task "t": true or false is wanted'],
  [["t", () => 1, { shutdown: "never" }], 'Cannot use "never" as "shutdown" of child "t"'],
  [["t", () => 1, { restart: "never" }], 'Cannot use "never" as "restart" of child "t"'],
])("refuses %j", ([id, run, options], message) => {
  const lab = new Lab();
  expect(() => lab.task(id as string, run as () => unknown, options as TaskOptions)).toThrow(message);
});
