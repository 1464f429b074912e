import { describe, expect, test } from "vitest";
import { handleOf } from "../../../src/value/port.ts";
import { runScript } from "../../harness/script.ts";
import { until } from "../../harness/until.ts";
import { makeLab } from "./lab.ts";

const cat = { command: "cat", protocol: "lines" } as const;

describe("a name", () => {
  test("declared again at the same place replaces, at another one it throws", async () => {
    const { registry } = makeLab();
    const first = registry.declare("a", cat, "at x.ts:1:1");
    await first.call("x");
    const second = registry.declare("a", { ...cat, size: 2 }, "at x.ts:1:1");
    expect(second).not.toBe(first);
    await expect(first.call("y")).rejects.toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED" });
    expect(await second.call("y")).toBe("y");
    expect(() => registry.declare("a", cat, "at y.ts:1:1")).toThrow(
      'Cannot declare binary "a": it is declared at x.ts:1:1 already; use another name, or import that binary',
    );
    expect(() => registry.declare("a", cat, undefined)).toThrow(/already/);
  });

  test.each(["", "a b", "x".repeat(65), 7])("%s is none", (name) => {
    expect(() => makeLab().registry.declare(name as string, cat, "x")).toThrow(/a name has 1 to 64 letters/);
  });
});

describe("a handle that has travelled", () => {
  const sent = (options: object) => makeLab().registry.declare("a", options as never, "x")[handleOf].data;

  test("is a binary of this process's own, one for each name", async () => {
    const { registry } = makeLab();
    const data = sent(cat);
    const first = registry.receive(data);
    expect(registry.receive(structuredClone(data))).toBe(first);
    expect(await first.call("x")).toBe("x");
    expect(first[handleOf].data).toEqual(data);
  });

  test("gives way to a declaration of this process, which is the same binary for those who have it", async () => {
    const { registry, started } = makeLab();
    const received = registry.receive(sent(cat));
    await received.call("x");
    const declared = registry.declare("a", { ...cat, args: ["-u"] }, "y");
    expect(declared).toBe(received);
    expect(await received.call("y")).toBe("y");
    expect(started.map(({ args }) => args)).toEqual([[], ["-u"]]);
    expect(registry.receive(sent({ ...cat, args: ["-e"] }))).toBe(declared);
    await declared.call("z");
    expect(started).toHaveLength(2);
  });

  test("of a later declaration takes the place of an earlier one, and not the other way round", async () => {
    const { registry, started } = makeLab();
    const [older, newer] = [sent(cat), sent({ ...cat, args: ["-u"] })];
    const received = registry.receive(older);
    await received.call("x");
    const slow = received.call("finishes");
    registry.receive(newer);
    registry.receive(older);
    expect(await slow).toBe("finishes");
    await received.call("y");
    expect(started.map(({ args }) => args)).toEqual([[], ["-u"]]);
  });
});

describe("a process", () => {
  test("stays for a live call, and not for idle workers", async () => {
    const code = `
      import { binary } from "tinderbox";
      const slow = binary("slow", { command: "sh", args: ["-c", "read -r a; sleep 0.3; echo $a; cat"], protocol: "lines" });
      slow.call("done").then(console.log);
      const once = binary("once", { command: "sh", args: ["-c", "sleep 0.2; echo ran"] });
      once.run([], { encoding: "utf8" }).then(({ stdout }) => console.log(stdout.trim()));
    `;
    const { stdout, code: exit, durationMs } = await runScript(code, { timeout: 10_000 });
    expect(stdout.trim().split("\n").toSorted()).toEqual(["done", "ran"]);
    expect(exit).toBe(0);
    expect(durationMs).toBeLessThan(8_000);
  });

  test.each([
    ["start()", "await slow.start();"],
    ["a supervisor's start", "await supervisor({ children: [slow] }).start();"],
  ])("stays for %s that waits for its workers", async (_name, start) => {
    const code = `
      import { binary, supervisor } from "tinderbox";
      const slow = binary("slow", { command: "sh", args: ["-c", "sleep 0.3; echo up >&2; exec cat"], protocol: "lines", ready: /up/ });
      ${start}
      console.log("started");
      await slow.close();
    `;
    expect(await runScript(code)).toMatchObject({ stdout: "started\n", code: 0 });
  });

  test("stays for a call that waits for a worker to be started again", async () => {
    const code = `
      import { mkdtempSync } from "node:fs";
      import { binary } from "tinderbox";
      const mark = mkdtempSync(process.env.TMPDIR + "/mark-") + "/x";
      const second = binary("second", { command: "sh", args: ["-c", '[ -e "$0" ] || { : >"$0"; exit 1; }; echo up; exec cat', mark], protocol: "lines", ready: /up/ });
      console.log(await second.call("patient"));
    `;
    expect((await runScript(code)).stdout).toBe("patient\n");
  });
});

test("a listener of events that throws hurts nobody", async () => {
  const { declare, events } = makeLab();
  events.on("binary.started", () => {
    throw new Error("no");
  });
  const one = declare(cat);
  expect(await one.call("x")).toBe("x");
  await until("it", () => one.stats().workers.ready === 1);
});
