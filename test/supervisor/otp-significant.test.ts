/** Automatic shutdown: the cases of the group `significant` of OTP's supervisor_SUITE, under their names. */
import { describe, expect, test } from "vitest";
import type { ChildSpec, ExitReason } from "../../src/ports/child.ts";
import { dynamicSupervisorSpec } from "../../src/supervisor/dynamic.ts";
import { supervisorSpec } from "../../src/supervisor/supervisor.ts";
import { Lab, abnormal, failure, turn, who } from "./lab.ts";

const autos = ["any_significant", "all_significant"] as const;
const reasons: [string, ExitReason][] = [
  ["normal", "normal"],
  ["shutdown", "shutdown"],
  ["abnormal", abnormal],
];
const start: ChildSpec["start"] = () => undefined;

describe.each(autos)("autoShutdown %s", (autoShutdown) => {
  test.each(reasons)("nonsignificant_temporary: %s", async (_, reason) => {
    const lab = new Lab();
    const [one, two] = lab.some("child1 child2", { restart: "temporary" });
    const supervisor = await lab.supervise({ autoShutdown }, one!, two!);
    await one!.exit(reason);
    expect(who(supervisor)).toBe("child2");
    await two!.exit(reason);
    expect(who(supervisor)).toBe("");
    await supervisor.startChild(lab.program("child3").spec);
  });

  test.each(reasons)("nonsignificant_transient: %s", async (name, reason) => {
    const lab = new Lab();
    const [one, two] = lab.some("child1 child2", { restart: "transient" });
    const supervisor = await lab.supervise({ autoShutdown }, one!, two!);
    await one!.exit(reason);
    await two!.exit(reason);
    expect(who(supervisor)).toBe(name === "abnormal" ? "child1, child2" : "child1 stopped, child2 stopped");
    await supervisor.startChild(lab.program("child3").spec);
  });

  test("significant_bystander: one that goes down with others, or by hand, ends nothing", async () => {
    const lab = new Lab();
    const one = lab.program("child1");
    const two = lab.program("child2", { restart: "transient", significant: true });
    const three = lab.program("child3", { restart: "temporary", significant: true });
    const supervisor = await lab.supervise({ autoShutdown, strategy: "one_for_all" }, one, two, three);
    await one.exit(abnormal);
    expect(who(supervisor)).toBe("child1, child2");
    await supervisor.terminateChild("child2");
    expect(who(supervisor)).toBe("child1, child2 stopped");
    await supervisor.startChild(three.spec);
    await supervisor.terminateChild("child3");
    expect(who(supervisor)).toBe("child1, child2 stopped");
  });

  test("significant_escalation: the end of a supervisor may end the one above", async () => {
    const lab = new Lab();
    const leaf = lab.program("leaf", { restart: "temporary", significant: true });
    const inner = supervisorSpec(
      { id: "inner", autoShutdown, children: [leaf.spec], restart: "transient", significant: true },
      lab.host,
    );
    const other = lab.program("other");
    const outer = await lab.supervise({ autoShutdown }, other);
    await outer.startChild(inner);
    await leaf.exit(abnormal);
    expect(await outer.exited).toBe("shutdown");
    expect(other.run.reason).toBe("shutdown");
  });

  test("significant_escalation: a permanent supervisor is started again", async () => {
    const lab = new Lab();
    const leaf = lab.program("leaf", { restart: "temporary", significant: true });
    const inner = supervisorSpec({ id: "inner", autoShutdown, children: [leaf.spec] }, lab.host);
    const outer = await lab.supervise({ children: [inner] });
    await leaf.exit("normal");
    expect([who(outer), leaf.starts, outer.child("inner")?.restarts]).toEqual(["inner", 2, 1]);
  });

  test("a permanent significant child is refused", () => {
    const child: ChildSpec = { id: "c", start, significant: true };
    expect(() => supervisorSpec({ autoShutdown, children: [child] }, new Lab().host)).toThrow(
      'Cannot make child "c" significant: a permanent child never ends for good; make it "transient" or "temporary"',
    );
  });
});

describe("any_significant", () => {
  test.each(reasons)("significant_temporary: %s", async (_, reason) => {
    const lab = new Lab();
    const [one, two] = lab.some("child1 child2", { restart: "temporary", significant: true });
    const supervisor = await lab.supervise({ autoShutdown: "any_significant" }, one!, two!);
    lab.seen();
    one!.run.exit(reason);
    expect(await supervisor.exited).toBe("shutdown");
    expect(lab.seen()).toBe("end child1, stop child2, end child2");
    expect(await failure(supervisor.startChild(one!.spec))).toMatchObject({ reason: "stopped" });
  });

  test.each(reasons)("significant_transient: %s", async (name, reason) => {
    const lab = new Lab();
    const [one, two] = lab.some("child1 child2", { restart: "transient", significant: true });
    const supervisor = await lab.supervise({ autoShutdown: "any_significant" }, one!, two!);
    await one!.exit(reason);
    const again = name === "abnormal";
    expect(who(supervisor)).toBe(again ? "child1, child2" : "child1 stopped, child2 stopped");
    expect([one!.starts, two!.run.reason]).toEqual(again ? [2, undefined] : [1, "shutdown"]);
  });
});

describe("all_significant", () => {
  test.each(reasons)("significant_temporary: %s", async (_, reason) => {
    const lab = new Lab();
    const [one, two] = lab.some("child1 child2", { restart: "temporary", significant: true });
    const three = lab.program("child3");
    const supervisor = await lab.supervise({ autoShutdown: "all_significant" }, one!, two!, three);
    await one!.exit(reason);
    expect(who(supervisor)).toBe("child2, child3");
    two!.run.exit(reason);
    expect(await supervisor.exited).toBe("shutdown");
    expect(three.run.reason).toBe("shutdown");
  });

  test.each(reasons)("significant_transient: %s", async (name, reason) => {
    const lab = new Lab();
    const [one, two] = lab.some("child1 child2", { restart: "transient", significant: true });
    const supervisor = await lab.supervise({ autoShutdown: "all_significant" }, one!, two!);
    await one!.exit(reason);
    expect(who(supervisor)).toBe(name === "abnormal" ? "child1, child2" : "child1 stopped, child2");
    await two!.exit(reason);
    const end = await Promise.race([supervisor.exited, turn()]);
    expect(end).toBe(name === "abnormal" ? undefined : "shutdown");
  });

  test("one that waits for its restart is still there", async () => {
    const lab = new Lab();
    const one = lab.program("child1", { restart: "transient", significant: true, plans: ["ok", "fail"] });
    const two = lab.program("child2", { restart: "temporary", significant: true });
    const supervisor = await lab.supervise({ autoShutdown: "all_significant" }, one, two);
    await one.exit(abnormal);
    await two.exit("normal");
    expect(who(supervisor)).toBe("child1 restarting");
    await lab.pass(0);
    await one.exit("normal");
    expect(await supervisor.exited).toBe("shutdown");
  });

  test("one that was ignored, or stopped by hand, is not", async () => {
    const lab = new Lab();
    const one = lab.program("child1", { restart: "transient", significant: true, plans: ["ignore"] });
    const two = lab.program("child2", { restart: "transient", significant: true });
    const three = lab.program("child3", { restart: "temporary", significant: true });
    const supervisor = await lab.supervise({ autoShutdown: "all_significant" }, one, two, three);
    await supervisor.terminateChild("child2");
    three.run.exit("normal");
    expect(await supervisor.exited).toBe("shutdown");
  });
});

describe("what significant children do not do", () => {
  test("never: they are refused", async () => {
    const lab = new Lab();
    const child: ChildSpec = { id: "c", start, restart: "transient", significant: true };
    const message =
      'Cannot make child "c" significant: its supervisor has autoShutdown "never"; use "any_significant" or "all_significant", or leave it out';
    expect(() => supervisorSpec({ children: [child] }, lab.host)).toThrow(message);
    const supervisor = await lab.supervise({});
    expect(await failure(supervisor.startChild(child))).toMatchObject({ name: "TypeError", message });
    expect(supervisor.children()).toEqual([]);
  });

  test("significant_simple: in a dynamic supervisor they are refused", async () => {
    const lab = new Lab();
    const supervisor = await lab.dynamic();
    for (const restart of ["permanent", "transient", "temporary"] as const) {
      expect(await failure(supervisor.startChild({ id: "c", start, restart, significant: true }))).toMatchObject({
        name: "TypeError",
        message:
          'Cannot make child "c" significant: a dynamic supervisor never ends by itself; leave "significant" out',
      });
    }
    expect(() => dynamicSupervisorSpec({ autoShutdown: "any_significant" } as object, lab.host)).toThrow(
      'Cannot use option "autoShutdown" of dynamicSupervisor: it does not exist',
    );
  });

  test("a supervisor that ends by itself gives its children their time", async () => {
    const lab = new Lab();
    const one = lab.program("child1", { temper: "deaf", shutdown: 1_000 });
    const two = lab.program("child2", { restart: "temporary", significant: true });
    const supervisor = await lab.supervise({ autoShutdown: "any_significant" }, one, two);
    await two.exit("normal");
    expect(lab.clock.pending({ held: true })).toBe(1);
    await lab.pass(1_000);
    expect(await supervisor.exited).toBe("shutdown");
    expect(one.run.told).toEqual(["shutdown", "kill"]);
    await turn();
  });
});
