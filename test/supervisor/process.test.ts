/** Supervisors in processes of their own: what holds them, what ends them, and what they are on a runner. */
import { describe, expect, test } from "vitest";
import { place } from "../../src/context.ts";
import { dynamicSupervisor, supervisor, task } from "../../src/supervise.ts";
import { runScript, startScript } from "../harness/script.ts";

const program = (body: string) => `import { dynamicSupervisor, events, supervisor, task } from "tinderbox";\n${body}\n`;
const server = `
  const server = task("server", async ({ signal, ready }) => {
    const alive = setInterval(() => {}, 1_000);
    signal.addEventListener("abort", () => clearInterval(alive));
    ready(alive);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  });`;

describe("a supervisor that gives up", () => {
  const failing = `
    ${server}
    let starts = 0;
    const failing = task("failing", () => { console.log("start", ++starts); throw new Error("out of luck"); });
    const sup = await supervisor({ id: "root", maxRestarts: 2, children: [server, failing] }).start();`;

  test("ends the process as an unhandled rejection, with the reason and its cause", async () => {
    const { code, stdout, stderr } = await runScript(program(failing));
    expect(stdout).toBe("start 1\nstart 2\nstart 3\n");
    expect(code).toBe(1);
    expect(stderr).toContain('MaxRestartIntensityError: Cannot keep child "failing" of supervisor "root" running');
    expect(stderr).toContain("ERR_TINDERBOX_MAX_RESTART_INTENSITY");
    expect(stderr).toContain("[cause]: Error: out of luck");
  });

  test("does not when somebody handles its end", async () => {
    const { code, stdout, stderr } = await runScript(
      program(`${failing}\nsup.exited.catch((error) => console.log(error.reason, error.child));`),
    );
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("reached_max_restart_intensity failing");
  });

  test("in a tree does so through the topmost one only", async () => {
    const { code, stderr } = await runScript(
      program(`
        const failing = task("failing", () => { throw new Error("out of luck"); });
        const inner = supervisor({ id: "inner", maxRestarts: 1, children: [failing] });
        await supervisor({ id: "outer", maxRestarts: 1, children: [inner] }).start();`),
    );
    expect(code).toBe(1);
    expect(stderr).toContain('Cannot keep child "inner" of supervisor "outer" running');
    expect(stderr).toContain('Cannot keep child "failing" of supervisor "outer/inner" running');
  });

  test("a child's rejection is nobody else's", async () => {
    const { code, stdout, stderr } = await runScript(
      program(`
        const failing = { id: "x", restart: "temporary", start: () => ({ exited: Promise.reject(new Error("x")), stop: () => Promise.reject(new Error("y")) }) };
        const sup = await supervisor({ children: [failing] }).start();
        const deaf = { id: "y", shutdown: 1, start: () => ({ exited: new Promise(() => {}), stop: () => Promise.reject(new Error("z")) }) };
        await sup.startChild(deaf);
        events.on("child.forgotten", ({ child }) => console.log("forgotten", child));
        await sup.stop();
        console.log(await sup.exited);`),
    );
    expect([code, stdout, stderr]).toEqual([0, "forgotten y\nshutdown\n", ""]);
  });
});

describe("the process", () => {
  test("is not held by a supervisor whose children do not hold it", async () => {
    const { code, stdout, stderr } = await runScript(
      program(`
        const idle = task("idle", ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", resolve)));
        const sup = await supervisor({ children: [idle] }).start();
        const rooms = await dynamicSupervisor().start();
        await rooms.startChild(idle);
        console.log(sup.count().active, rooms.count().active);`),
    );
    expect([code, stdout, stderr]).toEqual([0, "1 1\n", ""]);
  });

  test("is held by what its children do", async () => {
    const running = startScript(
      program(`${server}\nawait supervisor({ children: [server] }).start();\nconsole.log("up");`),
    );
    await running.see(/up/);
    expect(running.child.exitCode).toBe(null);
    running.kill("SIGKILL");
    await running.finished;
  });

  test("is held until a stop that is awaited is over", async () => {
    const { code, stdout } = await runScript(
      program(`
        const deaf = task("deaf", () => new Promise(() => {}), { shutdown: 200 });
        const sup = await supervisor({ children: [deaf] }).start();
        await sup.stop();
        console.log("stopped");`),
    );
    expect([code, stdout]).toEqual([0, "stopped\n"]);
  });

  test("is held while a restart is due", async () => {
    const { code, stdout } = await runScript(
      program(`
        let starts = 0;
        const child = task("twice", () => { if (++starts === 1) throw new Error("first"); console.log("again"); }, { restart: "transient" });
        await supervisor({ children: [child], backoff: "200ms" }).start();`),
    );
    expect([code, stdout]).toEqual([0, "again\n"]);
  });

  test("has a supervisor that can be disposed of", async () => {
    const { code, stdout } = await runScript(
      program(`
        ${server}
        {
          await using sup = await supervisor({ children: [server] }).start();
          console.log(sup.children()[0].status);
        }
        console.log("stopped");`),
    );
    expect([code, stdout]).toEqual([0, "running\nstopped\n"]);
  });
});

describe("on a runner", () => {
  async function onRunner<T>(run: () => Promise<T>): Promise<T> {
    place.runner = { id: "media-1", pool: "media" };
    try {
      return await run();
    } finally {
      place.runner = undefined;
    }
  }

  test("a supervisor starts nothing", async () => {
    await onRunner(async () => {
      let starts = 0;
      const child = task("t", () => void starts++);
      const one = await supervisor({ id: "app", children: [child] }).start();
      const many = await dynamicSupervisor({ id: "rooms" }).start();
      expect(await one.startChild(child)).toBeUndefined();
      expect(await many.startChild(child)).toBeUndefined();
      await one.terminateChild("t");
      await one.deleteChild("t");
      for (const inert of [one, many]) {
        expect([inert.children(), inert.describe(), inert.count()]).toEqual([
          [],
          { children: [] },
          { specs: 0, active: 0, supervisors: 0, workers: 0 },
        ]);
        expect(await Promise.race([inert.exited, Promise.resolve("pending")])).toBe("pending");
        await inert[Symbol.asyncDispose]();
        expect(await inert.exited).toBe("shutdown");
      }
      expect([one.id, one.path, one.child("t"), one.childSpec("t"), starts]).toEqual([
        "app",
        ["app"],
        undefined,
        undefined,
        0,
      ]);
    });
  });

  test("what makes no sense is refused there too", async () => {
    await onRunner(async () => {
      expect(() => supervisor({ maxRestarts: -1 })).toThrow(TypeError);
    });
  });

  test("and elsewhere it does", async () => {
    const one = await supervisor({ id: "app", children: [task("t", () => new Promise(() => {}))] }).start();
    expect(one.count()).toMatchObject({ active: 1 });
    await one.stop("kill");
  });
});
