/** What OTP's suites do not ask: back-off, events, what others see, limits of one turn. */
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { backoffMs } from "../../src/backoff.ts";
import { dynamicSupervisorSpec } from "../../src/supervisor/dynamic.ts";
import type { SupervisorOptions } from "../../src/supervisor/options.ts";
import { supervisorSpec } from "../../src/supervisor/supervisor.ts";
import { Lab, abnormal, counts, failure, turn, who } from "./lab.ts";

describe("backoff", () => {
  test("is the first pause, multiplied at each further failure, up to the greatest", () => {
    const backoff = { initialMs: 100, maxMs: 1_000, factor: 3, jitter: false };
    expect([1, 2, 3, 4, 5_000].map((failures) => backoffMs(failures, backoff))).toEqual([100, 300, 900, 1_000, 1_000]);
    const jitter = { ...backoff, jitter: true };
    expect([0, 0.5, 1].map((random) => backoffMs(2, jitter, () => random))).toEqual([150, 225, 300]);
    expect(backoffMs(1, jitter)).toBeGreaterThanOrEqual(50);
  });

  test("delays each restart, more at each failure in a row; others are served meanwhile", async () => {
    const lab = new Lab();
    const child = lab.program("a", { plans: ["ok", "fail", "fail"] });
    const supervisor = await lab.supervise({ backoff: { initial: 100, max: 350, jitter: false } }, child);
    await child.exit(abnormal);
    expect([who(supervisor), counts(supervisor)]).toEqual(["a restarting", [1, 0, 0, 1]]);
    await supervisor.startChild(lab.program("b").spec);
    await lab.pass(99);
    expect(child.starts).toBe(1);
    await lab.pass(1);
    expect(child.starts).toBe(2);
    await lab.pass(199);
    expect(child.starts).toBe(2);
    await lab.pass(1);
    expect(child.starts).toBe(3);
    await lab.pass(349);
    expect(child.starts).toBe(3);
    await lab.pass(1);
    expect([child.starts, who(supervisor)]).toEqual([4, "a, b"]);
  });

  test("begins anew when the child was up for as long as `within`", async () => {
    const lab = new Lab();
    const child = lab.program("a");
    const supervisor = await lab.supervise({ backoff: { initial: 100, jitter: false }, within: "10s" }, child);
    for (const pause of [100, 200, 400]) {
      await lab.pass(9_999);
      await child.exit(abnormal);
      await lab.pass(pause - 1);
      expect(who(supervisor)).toBe("a restarting");
      await lab.pass(1);
      expect(who(supervisor)).toBe("a");
    }
    await lab.pass(10_000);
    await child.exit(abnormal);
    await lab.pass(100);
    expect(who(supervisor)).toBe("a");
  });

  test("a duration is always the same pause", async () => {
    const lab = new Lab();
    const child = lab.program("a", { plans: ["ok", "fail"] });
    const supervisor = await lab.supervise({ backoff: "1s" }, child);
    await child.exit(abnormal);
    await lab.pass(1_000);
    expect(child.starts).toBe(2);
    await lab.pass(1_000);
    expect(who(supervisor)).toBe("a");
  });

  test("is shortened at random, up to half, where nothing else is said", async () => {
    for (const [jitter, wanted] of [
      [undefined, 500],
      [true, 500],
      [false, 1_000],
    ] as const) {
      const lab = new Lab();
      const child = lab.program("a");
      const backoff = { initial: "1s", ...(jitter === undefined ? {} : { jitter }) } as const;
      const options = { id: "root", backoff, children: [child.spec] };
      const supervisor = await supervisorSpec(options, { ...lab.host, random: () => 0 }).start();
      await child.exit(abnormal);
      expect(lab.clock.nextAt - lab.clock.now()).toBe(wanted);
      await supervisor.stop();
    }
  });

  test("restarts count when they are made, so pauses may keep within the intensity", async () => {
    const lab = new Lab();
    const child = lab.program("a", { plans: ["ok", ...Array(9).fill("fail")] });
    const supervisor = await lab.supervise({ backoff: "1s", maxRestarts: 1, within: "999ms" }, child);
    await child.exit(abnormal);
    for (let tries = 0; tries < 10; tries++) await lab.pass(1_000);
    expect([child.starts, who(supervisor)]).toEqual([11, "a"]);
  });

  test.each(["one_for_all", "rest_for_one"] as const)(
    "those that go down with it do so before the pause, and come up after it: %s",
    async (strategy) => {
      const lab = new Lab();
      const [a, b, c] = lab.some("a b c");
      const supervisor = await lab.supervise({ strategy, backoff: "1s" }, a!, b!, c!);
      lab.seen();
      await b!.exit(abnormal);
      const all = strategy === "one_for_all";
      expect(lab.seen()).toBe(`end b, stop c, end c${all ? ", stop a, end a" : ""}`);
      expect(who(supervisor)).toBe(`a${all ? " stopped" : ""}, b restarting, c stopped`);
      // Who is started meanwhile is not started twice.
      await supervisor.restartChild("c");
      lab.seen();
      await lab.pass(1_000);
      expect(lab.seen()).toBe(`stop c, end c, ${all ? "start a, " : ""}start b, start c`);
      expect(who(supervisor)).toBe("a, b, c");
    },
  );

  test("a restart of others makes its own unnecessary", async () => {
    const lab = new Lab();
    const [a, b] = lab.some("a b");
    const supervisor = await lab.supervise({ strategy: "rest_for_one", backoff: "1s" }, a!, b!);
    await b!.exit(abnormal);
    await lab.pass(500);
    await a!.exit(abnormal);
    await lab.pass(500);
    expect(who(supervisor)).toBe("a restarting, b stopped");
    await lab.pass(500);
    expect([a!.starts, b!.starts, who(supervisor)]).toEqual([2, 2, "a, b"]);
    expect(lab.clock.pending({ held: true })).toBe(0);
  });

  test("terminateChild and stop cancel it", async () => {
    const lab = new Lab();
    const [a, b] = lab.some("a b");
    const supervisor = await lab.supervise({ backoff: "1s" }, a!, b!);
    await a!.exit(abnormal);
    await b!.exit(abnormal);
    expect(lab.clock.pending({ held: true })).toBe(2);
    await supervisor.terminateChild("a");
    await supervisor.restartChild("a");
    await lab.pass(500);
    await supervisor.stop();
    expect(lab.clock.pending()).toBe(0);
    expect([a!.starts, b!.starts]).toEqual([2, 1]);
  });

  test("a pause that was cancelled when it was just over is over all the same", async () => {
    const lab = new Lab();
    const [a, b] = lab.some("a b");
    b!.plans = ["hang"];
    const supervisor = await lab.supervise({ backoff: "1s" }, a!);
    await a!.exit(abnormal);
    // Busy, so that what the timer tells has to wait.
    const started = supervisor.startChild(b!.spec);
    await turn();
    const terminated = supervisor.terminateChild("a");
    const restarted = supervisor.restartChild("a");
    await lab.pass(1_000);
    b!.answer(b!.newRun());
    await Promise.all([started, terminated, restarted]);
    await lab.pass(0);
    expect([a!.starts, who(supervisor)]).toEqual([2, "a, b"]);
  });

  test.each<[unknown, string]>([
    [Infinity, 'Cannot use Infinity as "backoff" of supervisor "supervisor": a pause has an end'],
    ["soon", 'Cannot use "soon" as "backoff" of supervisor "supervisor": a duration is'],
    [null, 'Cannot use null as "backoff" of supervisor "supervisor": a duration is'],
    [{}, 'Cannot use undefined as "initial" of "backoff" of supervisor "supervisor": a duration is'],
    [{ initial: 100, max: 99 }, 'Cannot use 99 as "max" of "backoff" of supervisor "supervisor": it is less than'],
    [{ initial: 100, max: Infinity }, 'Cannot use Infinity as "max" of "backoff" of supervisor "supervisor"'],
    [{ initial: 100, factor: 0.9 }, 'Cannot use 0.9 as "factor" of "backoff" of supervisor "supervisor"'],
    [{ initial: 100, factor: Infinity }, 'Cannot use Infinity as "factor"'],
    [{ initial: 100, factor: "2" }, 'Cannot use "2" as "factor"'],
    [{ initial: 100, jitter: 1 }, 'Cannot use 1 as "jitter" of "backoff" of supervisor "supervisor"'],
    [{ initial: 100, maximum: 1 }, 'Cannot use option "maximum" of "backoff" of supervisor "supervisor"'],
  ])("refuses %j", (backoff, message) => {
    for (const make of [supervisorSpec, dynamicSupervisorSpec]) {
      expect(() => make({ backoff } as SupervisorOptions, new Lab().host)).toThrow(message);
    }
  });

  test("its greatest pause is 30 seconds where nothing is said, or the first one if that is longer", async () => {
    for (const [initial, wanted] of [
      ["1s", 30_000],
      ["1m", 60_000],
    ] as const) {
      const lab = new Lab();
      const child = lab.program("a", { plans: ["ok", ...Array(20).fill("fail")] });
      await lab.supervise({ backoff: { initial, jitter: false }, maxRestarts: 100 }, child);
      await child.exit(abnormal);
      for (let tries = 0; tries < 8; tries++) await lab.pass(wanted);
      expect(lab.clock.nextAt - lab.clock.now()).toBe(wanted);
    }
  });
});

describe("events", () => {
  test("a child that is up again is told, however that came", async () => {
    const lab = new Lab();
    const restarted = lab.record("child.restarted");
    const [a, b] = lab.some("a b");
    const supervisor = await lab.supervise({ strategy: "one_for_all" }, a!, b!);
    await a!.exit(abnormal);
    await supervisor.terminateChild("b");
    await supervisor.restartChild("b");
    expect(restarted).toEqual([
      { supervisor: "root", child: "a", restarts: 1 },
      { supervisor: "root", child: "b", restarts: 1 },
      { supervisor: "root", child: "b", restarts: 2 },
    ]);
  });

  test("the end of a child is told with how it ended, whoever ended it", async () => {
    const lab = new Lab();
    const exits = lab.record("child.exited");
    const [a, b, c] = lab.some("a b c");
    const supervisor = await lab.supervise({}, a!, b!, c!);
    await a!.exit("normal");
    await supervisor.terminateChild("b");
    await supervisor.stop();
    expect(exits.map(({ child, reason }) => [child, reason])).toEqual([
      ["a", "normal"],
      ["b", "shutdown"],
      ["c", "shutdown"],
      ["a", "shutdown"],
    ]);
  });

  test("a listener that throws or rejects hurts nobody", async () => {
    const lab = new Lab();
    const failed = lab.record("hook.failed");
    for (const name of ["child.exited", "child.restarted", "child.failed", "supervisor.failed"] as const) {
      lab.events.on(name, () => {
        throw new Error("listener");
      });
    }
    const child = lab.program("a", { plans: ["ok", "fail"] });
    const supervisor = await lab.supervise({ maxRestarts: 2 }, child);
    await child.exit(abnormal);
    await lab.pass(0);
    expect(who(supervisor)).toBe("a");
    const ended = failure(supervisor.exited);
    await child.exit(abnormal);
    expect(await ended).toMatchObject({ name: "MaxRestartIntensityError" });
    expect(failed.length).toBe(5);
  });

  test("a listener may stop the supervisor on the spot", async () => {
    const lab = new Lab();
    const child = lab.program("a");
    const supervisor = await lab.supervise({}, child);
    lab.events.on("child.exited", () => void supervisor.stop());
    await child.exit(abnormal);
    expect(await supervisor.exited).toBe("shutdown");
    expect(child.starts).toBe(1);
  });
});

describe("what others see", () => {
  test("the tree, printed", async () => {
    const lab = new Lab();
    const db = lab.program("db", { plans: ["ok", "ok", "fail"] });
    const api = lab.program("api\n\u001b[2J");
    const service = {
      id: "service",
      start: async () => ({
        exited: new Promise<"normal">(() => {}),
        stop: () => {},
        describe: () => ({ detail: "pid 7" }),
      }),
      shutdown: "brutal_kill",
    } as const;
    const broken = {
      id: "broken",
      start: async () => ({
        exited: new Promise<"normal">(() => {}),
        stop: () => {},
        describe() {
          throw new Error("no");
        },
      }),
      shutdown: "brutal_kill",
    } as const;
    const web = supervisorSpec({ id: "web", children: [api.spec, service] }, lab.host);
    const supervisor = await lab.supervise({ maxRestarts: 9, children: [db.spec, web, broken] });
    await db.exit(abnormal);
    await db.exit(abnormal);
    expect(inspect(supervisor)).toBe(
      [
        "root (supervisor, running)",
        "├─ db (restarting, 1 restart)",
        "├─ web (supervisor, running)",
        "│  ├─ api\\x0a\\x1b[2J (running)",
        "│  └─ service (running, pid 7)",
        "└─ broken (running)",
      ].join("\n"),
    );
    expect(`${inspect({ supervisor })}`).toContain("web (supervisor, running)");
    const stopped = supervisor.stop();
    expect(inspect(supervisor)).toContain("root (supervisor, stopping)");
    await lab.pass(5_000);
    await lab.pass(5_000);
    await stopped;
    expect(inspect(supervisor)).toContain("root (supervisor, stopped)");
  });

  test("a path: the ids from the root down, for the child too", async () => {
    const lab = new Lab();
    const leaf = lab.program("leaf");
    const exits = lab.record("child.exited");
    const web = supervisorSpec({ id: "web", children: [leaf.spec] }, lab.host);
    // The name that a supervisor goes by is the one that its parent knows it by.
    const supervisor = await lab.supervise({ children: [{ ...web, id: "shop" }] });
    await leaf.exit(abnormal);
    expect(exits[0]?.supervisor).toBe("root/shop");
    expect(leaf.contexts[0]?.path).toEqual(["root", "shop", "leaf"]);
    expect(supervisor.path).toEqual(["root"]);
  });

  test("a handle cannot be changed, and stays when its child has gone", async () => {
    const lab = new Lab();
    const child = lab.program("a", { restart: "temporary" });
    const supervisor = await lab.supervise({}, child);
    const handle = supervisor.child("a")!;
    expect(() => ((handle as { status: string }).status = "stopped")).toThrow(TypeError);
    await child.exit("normal");
    expect(handle).toMatchObject({ status: "stopped", child: undefined });
    expect(supervisor.child("a")).toBeUndefined();
  });
});

test("restarts without end let others have a turn", async () => {
  const lab = new Lab();
  let starts = 0;
  const start = async () => {
    starts++;
    return { exited: Promise.resolve("normal" as const), stop() {} };
  };
  const supervisor = await lab.supervise({ maxRestarts: 1_000_000, children: [{ id: "spinning", start }] });
  await turn();
  expect(starts).toBe(101);
  await lab.pass(0);
  expect(starts).toBe(202);
  await supervisor.stop();
});

test("a child may add another one when it is told of something later", async () => {
  const lab = new Lab();
  const other = lab.program("other");
  const supervisor = await lab.supervise({});
  let started: Promise<unknown> | undefined;
  await supervisor.startChild(
    lab.task("adder", ({ signal }) => {
      started = supervisor.startChild(other.spec);
      return new Promise<void>((resolve) => void signal.addEventListener("abort", () => resolve()));
    }),
  );
  await started;
  expect(who(supervisor)).toBe("adder, other");
});
