import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import {
  type ChildSpec,
  type Pool,
  BootError,
  binary,
  events,
  flame,
  pool,
  service,
  supervisor,
  task,
} from "tinderbox";
import { newTag, vice, withTag } from "../native/lab.ts";
import { expectNoFolderLeft, expectNoProcessLeft } from "../harness/leaks.ts";
import { testRun } from "../harness/run.ts";
import { repository } from "../harness/script-folder.ts";
import { runScript, startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";

/** What is kept up besides calls: children and binaries of runners, pools under supervisors, and all of it in a tree. */

const pools: Pool[] = [];
function own(name: string, options: Parameters<typeof pool>[1]): Pool {
  const made = pool(name, { max: 1, ...options });
  pools.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(pools.splice(0).map((each) => each.close({ timeout: 0 })));
});

const hot = (tag: string): ChildSpec =>
  service("hot", {
    command: vice("never-reads-stdin"),
    args: [tag],
    ready: /up/,
    log: false,
    stop: { grace: "300ms" },
  });

describe("children of a pool", () => {
  test("are up before the first call, on every runner, and are gone with it", async () => {
    const tag = newTag();
    const two = own("children-two", { min: 2, max: 2, children: [hot(tag)] });
    expect(await flame(() => 6 * 7, { pool: two })).toBe(42);
    await until("both runners", () => two.stats().runners.ready === 2);
    expect(withTag(tag).length).toBe(2);
    await two.close();
    expect(withTag(tag)).toEqual([]);
  });

  test("are started again when they end, and the calls of their runner go on", async () => {
    const tag = newTag();
    const one = own("children-restart", { children: [hot(tag)] });
    const before = await flame(() => process.pid, { pool: one });
    const [pid] = withTag(tag);
    process.kill(pid!, "SIGKILL");
    await until("its return", () => withTag(tag).length === 1 && withTag(tag)[0] !== pid);
    expect(await flame(() => process.pid, { pool: one })).toBe(before);
  });

  test("that cannot stay up cost their runner, which is replaced", async () => {
    const tag = newTag();
    const one = own("children-gone", { children: [hot(tag)] });
    const before = await flame(() => process.pid, { pool: one });
    const faults: string[] = [];
    using off = events.on("runner.fault", ({ text }) => faults.push(text));
    expect(off).toBeDefined();
    // As soon as it is there: only so many ends within 5 s are too many.
    const killed = new Set<number>();
    const faulty = () => faults.some((text) => text.includes("more than 3 restarts within 5 s"));
    await until("the fault", () => {
      if (faulty()) return true;
      for (const pid of withTag(tag).filter((each) => !killed.has(each))) {
        killed.add(pid);
        process.kill(pid, "SIGKILL");
      }
      return false;
    });
    expect(killed.size).toBeGreaterThanOrEqual(4);
    await until("another runner", async () => (await flame(() => process.pid, { pool: one })) !== before);
    expect(withTag(tag).length).toBe(1);
  });

  test("that cannot be started are a BootError that waits for nobody", async () => {
    const bad = service("bad", { command: "sh", args: ["-c", "echo no port >&2; exit 3"], ready: /up/, log: false });
    const one = own("children-bad", { children: [bad], bootTimeout: "1h" });
    const error: unknown = await flame(() => 1, { pool: one }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(BootError);
    expect(error).toMatchObject({ permanent: true, phase: "setup" });
    expect((error as Error).message).toContain('Cannot start child "bad" of supervisor "children"');
    expect(((error as Error).cause as Error).cause).toMatchObject({
      message: "Cannot start bad: it exited with status 3 before it was ready; it said: no port",
    });
  });

  test("may be tasks, supervisors and specs of one's own, with what they capture; setup runs before them", async () => {
    const greeting = "hello";
    const many = own("children-many", {
      setup: () => void ((globalThis as { order?: string[] }).order = ["setup"]),
      children: [
        task("task", async ({ signal, ready }) => {
          (globalThis as { order?: string[] }).order!.push(`task ${greeting}`);
          ready(greeting);
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
        }),
        supervisor({
          id: "inner",
          strategy: "rest_for_one",
          children: [
            task("deep", ({ signal }) => {
              (globalThis as { order?: string[] }).order!.push("deep");
              return new Promise((resolve) => signal.addEventListener("abort", resolve));
            }),
          ],
        }),
        {
          id: "own",
          start: () => {
            (globalThis as { order?: string[] }).order!.push("own");
            const { promise, resolve } = Promise.withResolvers<"shutdown">();
            return { exited: promise, stop: () => resolve("shutdown") };
          },
        },
      ],
    });
    const order = await flame(() => (globalThis as { order?: string[] }).order, { pool: many });
    expect(order).toEqual(["setup", "task hello", "deep", "own"]);
  });

  test("are there once on a machine of several executors, and come back with the first of them", async () => {
    const tag = newTag();
    const wide = own("children-wide", { processes: 2, children: [hot(tag)] });
    const pids = () => Promise.all([1, 2].map(() => flame(() => process.pid, { pool: wide })));
    await pids();
    expect(withTag(tag).length).toBe(1);
    const [first] = withTag(tag);
    const parentOf = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${first}/status`, "utf8"))![1]);
    process.kill(parentOf, "SIGKILL");
    await until("its return", () => withTag(tag).length === 1 && withTag(tag)[0] !== first);
    await until("both executors", () => wide.stats().slots.free === 2);
  });

  test("what cannot travel is refused when the pool starts", async () => {
    const socket = new WeakMap();
    const bad = own("children-weak", { children: [task("weak", () => void socket)] });
    await expect(bad.start()).rejects.toThrow(/Cannot send `.*socket.*` to a runner/);
    expect(() => pool("children-list", { children: {} as never })).toThrow('option "children" of pool "children-list"');
    expect(() => pool("children-spec", { children: [{ id: "x" } as never] })).toThrow(
      'a child spec with "id" and "start"',
    );
    expect(() => pool("children-twice", { children: [hot("1"), hot("2")] })).toThrow("twice");
  });
});

test("binaries of a pool are up before the first call, and a broken one is a BootError", async () => {
  const fine = binary("upkeep-cat", { command: "cat", protocol: "lines", size: 2 });
  const one = own("binaries", { binaries: [fine] });
  await one.start();
  await flame(() => 1, { pool: one });
  await one.look();
  expect(JSON.stringify(one.describe())).toMatch(/"id":"upkeep-cat".*"id":"upkeep-cat \d+".*"id":"upkeep-cat \d+"/);
  expect(await flame(() => fine.call("hello"), { pool: one })).toBe("hello");
  const broken = binary("upkeep-broken", { command: "no-such-program", protocol: "lines" });
  const bad = own("binaries-bad", { binaries: [broken] });
  await expect(flame(() => 1, { pool: bad })).rejects.toThrow("it is in no folder of PATH");
});

describe("a pool under a supervisor", () => {
  test("starts with it, holds min, is stopped with it, and is opened again by a restart", async () => {
    const kept = own("kept", { min: 1 });
    const sup = await supervisor({ id: "app", children: [kept] }).start();
    await until("a runner", () => kept.stats().runners.ready === 1);
    expect(sup.child("kept")).toMatchObject({ type: "supervisor", status: "running" });
    expect(sup.child("kept")?.value).toBe(kept);
    await sup.terminateChild("kept");
    expect(kept.stats().runners.ready).toBe(0);
    await expect(flame(() => 1, { pool: kept })).rejects.toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED" });
    await sup.restartChild("kept");
    expect(await flame(() => 1, { pool: kept })).toBe(1);
    await sup.stop();
  });

  test("does not keep a process that has nothing left to do, and is not restarted for ever then", async () => {
    const { code, stdout } = await runScript(`
      import { flame, pool, supervisor, events } from "tinderbox";
      const kept = pool("kept", { min: 1, max: 1 });
      events.on("runner.ready", ({ runner }) => console.log(runner));
      await supervisor({ id: "app", children: [kept] }).start();
      console.log(await flame(() => 7, { pool: kept }));
    `);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "kept-1\n7\n" });
  });
});

test("SIGTERM ends trees in reverse order, then pools, then programs, and is raised again", async () => {
  const tag = newTag();
  const script = startScript(`
    import { flame, live, pool, service, supervisor, task } from "tinderbox";
    const gate = Promise.withResolvers();
    const down = (name) => task(name, ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => {
      console.log(name);
      if (name === "first a") gate.resolve();
      resolve();
    })));
    const wait = live(() => gate.promise);
    const media = pool("media", { max: 1 });
    await supervisor({ id: "first", children: [down("first a"), down("first b")] }).start();
    await supervisor({ id: "second", children: [down("second"), service("hot", { command: "${vice("ignores-term")}", args: ["${tag}"], ready: /up/, log: false, stop: { grace: "200ms" } })] }).start();
    void flame(async () => { await wait(); return "finished"; }, { pool: media }).then(console.log);
    await flame.cast(() => {}, { pool: pool("other", { max: 1 }) });
    console.log("up");
    setInterval(() => {}, 1e6);
  `);
  await script.see(/up/);
  script.kill("SIGTERM");
  const { signal, stdout } = await script.finished;
  expect(signal).toBe("SIGTERM");
  expect(stdout.trim().split("\n")).toEqual(["up", "second", "first b", "first a", "finished"]);
  expect(withTag(tag)).toEqual([]);
  await expectNoProcessLeft();
});

test("what a closure has started with a session of its own goes with its runner, however that ends", async () => {
  const tag = newTag();
  const code = (then: string): string => `
    import { spawn } from "node:child_process";
    import { flame, pool } from "tinderbox";
    const media = pool("media", { max: 1 });
    await flame(() => void spawn("setsid", ["sleep", "${tag}"], { stdio: "ignore", detached: true }).unref(), { pool: media });
    ${then}
  `;
  const ways = {
    close: "await media.close();",
    exit: "process.exit(0);",
    nothing: "",
    crash:
      "await flame(() => process.kill(process.pid, 'SIGKILL'), { pool: media }).catch(() => {}); await media.close();",
  };
  for (const [way, then] of Object.entries(ways)) {
    expect(await runScript(code(then)), way).toMatchObject({ code: 0 });
    await until(`that nothing is left after ${way}`, () => withTag(tag).length === 0);
  }
  const script = startScript(code("console.log('up'); setInterval(() => {}, 1e6);"));
  await script.see(/up/);
  expect(withTag(tag).length).toBeGreaterThan(0);
  script.kill("SIGKILL");
  await until("that nothing is left after kill -9", () => withTag(tag).length === 0);
  await expectNoFolderLeft();
});

describe("tinderbox ps and inspect", () => {
  const main = join(repository, "src/cli/main.ts");

  test("show the trees of each parent, and one place of them", async () => {
    const tag = newTag();
    const script = startScript(`
      import { binary, flame, pool, service, supervisor } from "tinderbox";
      const cat = binary("cat", { command: "cat", protocol: "lines" });
      const hot = service("hot", { command: "${vice("never-reads-stdin")}", args: ["${tag}"], ready: /up/, log: false, stop: { grace: "200ms" } });
      const media = pool("media", { min: 1, max: 1, children: [hot] });
      const app = await supervisor({ id: "app", children: [media, service("odd", { command: "cat" })] }).start();
      await flame(() => cat.call("x"), { pool: media });
      await flame(() => 1, { pool: pool("second", { max: 1 }) });
      console.log("up");
      process.once("SIGUSR2", () => void app.stop().then(() => process.exit()));
    `);
    await script.see(/^up/m);
    const shown = await until("the tree", async () => {
      const { stdout } = await runScript(main, { args: ["ps", "--pid", String(script.pid)] });
      return stdout.includes("app") && stdout;
    });
    const wanted = [
      /^\S+main\.ts \(pid \d+, node v[\d.]+, up [\d.]+ m?s\)$/,
      /^├─ pools \(supervisor, running\)$/,
      /^│ {2}└─ second \(supervisor, running, .*\)$/,
      /^│ {5}└─ second-1 \(.*\)$/,
      /^└─ app \(supervisor, running\)$/,
      /^ {3}├─ media \(supervisor, running, 1 ready, 0 booting; 0 busy, 1 free, 0 queued\)$/,
      /^ {3}│ {2}└─ media-1 \(supervisor, running, ready, machine \d+, 0 busy, 1 calls\)$/,
      /^ {3}│ {5}├─ children \(supervisor, running\)$/,
      /^ {3}│ {5}│ {2}└─ hot \(running, pid \d+\)$/,
      /^ {3}│ {5}└─ binaries \(supervisor, running\)$/,
      /^ {3}│ {8}└─ cat \(supervisor, running, .*\)$/,
      /^ {3}│ {11}└─ cat \d+ \(running, 1 calls, 0 in flight\)$/,
      /^ {3}└─ odd \(running, pid \d+\)$/,
    ];
    const lines = shown.trimEnd().split("\n");
    for (const [index, pattern] of wanted.entries()) expect(lines[index], shown).toMatch(pattern);
    const one = await runScript(main, { args: ["inspect", "app/media/media-1"] });
    expect(one.stdout).toMatch(/^path: {5}app\/media\/media-1$/m);
    expect(one.stdout).toMatch(/^status: {3}running for .*$/m);
    expect(one.stdout).toMatch(/^├─ children \(supervisor, running\)$/m);
    const json = await runScript(main, { args: ["inspect", "app", "--json", "--pid", String(script.pid)] });
    expect(JSON.parse(json.stdout)).toMatchObject({ pid: script.pid, id: "app", type: "supervisor" });
    const none = await runScript(main, { args: ["inspect", "app/nothing"] });
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('Cannot find "app/nothing"') as string });
    const all = await runScript(main, { args: ["ps", "--json"] });
    const pids = (JSON.parse(all.stdout) as { pid: number }[]).map(({ pid }) => pid);
    expect(pids).toContain(script.pid);
    script.kill("SIGUSR2");
    await script.finished;
    const after = await runScript(main, { args: ["ps", "--pid", String(script.pid)] });
    expect(after.stdout).toBe("No parent runs here that keeps anything up.\n");
    await until("that nothing is left", () => withTag(tag).length === 0);
  });

  test("a parent that was killed is not shown, and one that is blocked is said not to answer", async () => {
    const code = (then: string): string => `
      import { flame, pool } from "tinderbox";
      await flame(() => 1, { pool: pool("one", { max: 1 }) });
      setTimeout(() => { console.log("up"); ${then} }, 200);
    `;
    const blocked = startScript(code("for (;;) {}"));
    const killed = startScript(code("setInterval(() => {}, 1e6);"));
    await Promise.all([blocked.see(/up/), killed.see(/up/)]);
    killed.kill("SIGKILL");
    const { stdout } = await runScript(main, { args: ["ps"] });
    expect(stdout).toContain(`pid ${blocked.pid} does not answer`);
    expect(stdout).not.toContain(String(killed.pid));
    blocked.kill("SIGKILL");
    await blocked.finished;
    await expectNoProcessLeft();
  });
});

test("a tree that nobody keeps costs no socket: a process that has nothing up has no folder", async () => {
  const { stdout } = await runScript(`
    import { readdirSync } from "node:fs";
    import { tmpdir } from "node:os";
    import "tinderbox";
    await new Promise((resolve) => setTimeout(resolve, 200));
    console.log(readdirSync(tmpdir()).filter((name) => name.startsWith("tinderbox-" + process.pid)).length);
  `);
  expect(stdout).toBe("0\n");
});

test("runners that drain are not ended by the watchdog of their parent's programs", async () => {
  const tag = newTag();
  const folder = mkdtempSync(join(testRun.folder, "drain-"));
  const script = startScript(`
    import { existsSync, writeFileSync } from "node:fs";
    import { flame, live, pool, service, supervisor } from "tinderbox";
    await supervisor({ children: [service("hot", { command: "${vice("never-reads-stdin")}", args: ["${tag}"], ready: /up/, stop: { grace: "200ms" } })] }).start();
    const slow = pool("slow", { max: 1, onParentLoss: "drain" });
    const told = live(() => console.log("running"));
    await flame(async () => {
      await told();
      while (!existsSync("${folder}/go")) await new Promise((resolve) => setTimeout(resolve, 20));
      writeFileSync("${folder}/done", "");
    }, { pool: slow });
  `);
  await script.see(/running/);
  script.kill("SIGKILL");
  await until("the end of the service", () => withTag(tag).length === 0);
  writeFileSync(join(folder, "go"), "");
  await until("the end of the call", () => existsSync(join(folder, "done")));
  await expectNoProcessLeft();
});

test("what a child tells of itself cannot harm who looks, or its runner", async () => {
  const odd = (id: string, words: () => unknown): ChildSpec => ({
    id,
    start: () => {
      const { promise, resolve } = Promise.withResolvers<"shutdown">();
      return { exited: promise, stop: () => resolve("shutdown"), describe: words as never };
    },
  });
  const one = own("odd", {
    children: [
      odd("big", () => ({ detail: 10n, status: "fine" })),
      odd("throws", () => {
        throw new Error("no words");
      }),
      odd("many", () => ({ children: Array.from({ length: 20_000 }, (_, index) => ({ id: `room ${index}` })) })),
      odd("fine", () => ({ detail: "well" })),
    ],
  });
  const pid = await flame(() => process.pid, { pool: one });
  await Promise.all([one.look(), one.look()]);
  const shown = JSON.stringify(one.describe());
  expect(shown).toMatch(/"id":"big","type":"worker","status":"running","restarts":0,"since":\d+\}/);
  expect(shown).toContain('"id":"room 100"');
  expect(await flame(() => process.pid, { pool: one })).toBe(pid);
});

test("shutdown keeps its timeout also for pools under supervisors and for binaries", async () => {
  const { code, stdout } = await runScript(`
    import { binary, flame, pool, shutdown, supervisor } from "tinderbox";
    const kept = pool("kept", { max: 1 });
    const sleep = binary("sleep", { command: "sleep", stop: { grace: "200ms" } });
    await supervisor({ children: [kept] }).start();
    await flame(() => 1, { pool: kept });
    const ends = [flame(() => new Promise((resolve) => setTimeout(resolve, 60_000)), { pool: kept }), sleep.run(["60"])]
      .map((call) => call.then(() => console.log("finished"), (error) => console.log(error.code)));
    await shutdown({ timeout: "200ms" });
    await Promise.all(ends);
  `);
  expect({ code, stdout }).toEqual({ code: 0, stdout: "ERR_TINDERBOX_POOL_CLOSED\nERR_TINDERBOX_POOL_CLOSED\n" });
});

test("importing the package, or declaring things, leaves signals alone; another copy of it is no application", async () => {
  const { stdout } = await runScript(`
    import { binary, flame, pool, service } from "tinderbox";
    const count = () => process.listenerCount("SIGTERM") + process.listenerCount("SIGINT") + process.listenerCount("SIGHUP");
    binary("cat", { command: "cat" });
    pool("one");
    service("svc", { command: "cat" });
    console.log(count());
    await flame(() => 1);
    console.log(count());
  `);
  expect(stdout).toBe("0\n3\n");
  const script = startScript(`
    import { flame } from "tinderbox";
    await flame(() => 1);
    const other = Object.defineProperty(() => {}, Symbol.for("tinderbox.signal"), { value: true });
    process.on("SIGTERM", other);
    console.log("up");
    setInterval(() => { if (process.listenerCount("SIGTERM") === 1) process.exit(7); }, 10);
  `);
  await script.see(/up/);
  script.kill("SIGTERM");
  expect(await script.finished).toMatchObject({ code: 7 });
});

test("a pool that was closed stays closed, whatever its supervisor", async () => {
  const kept = own("stays-closed", {});
  const sup = await supervisor({ id: "app", children: [kept] }).start();
  await kept.close();
  await until("the end of the child", () => sup.child("stays-closed")?.status === "stopped");
  await expect(flame(() => 1, { pool: kept })).rejects.toMatchObject({ code: "ERR_TINDERBOX_POOL_CLOSED" });
  await sup.stop();
});
