/** The failure matrix: the end of the parent, in every form, and what becomes of its runners and their calls. */
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { processesOf } from "../../harness/processes.ts";
import { testRun } from "../../harness/run.ts";
import { type ScriptResult, runScript, startScript } from "../../harness/script.ts";
import { until } from "../../harness/until.ts";
import { alive, gone, room } from "../lab.ts";

const dyingParent = fileURLToPath(new URL("../programs/dying-parent.ts", import.meta.url));
const head = `import { existsSync, writeFileSync } from "node:fs";\nimport { events, flame, pool } from "tinderbox";\n`;

interface Runner {
  readonly runner: number;
  readonly child: number;
}

/** A parent whose closures run, one on a runner of each kind; `die` ends it. */
async function dying(death: string, style: Style) {
  const here = room();
  const script = startScript(dyingParent, { args: [death, here.folder, style] });
  const read = async (kind: string): Promise<Runner> => {
    await until(`two processes of "${kind}"`, () => here.lines(kind).length === 2);
    const [runner, child] = here.lines(kind).map(Number) as [number, number];
    return { runner, child };
  };
  const [kill, drain] = await Promise.all([read("kill"), read("drain")]);
  const die = (): Promise<ScriptResult> => {
    if (death.startsWith("SIG")) script.kill(death as NodeJS.Signals);
    else here.say("die");
    return script.finished;
  };
  return { ...here, script, kill, drain, die };
}

/** Each parent listens in a folder of such a name. */
const socketFolders = () => readdirSync(testRun.folder).filter((name) => name.startsWith("tinderbox-"));
const noSocketFolder = () =>
  until("the socket's folder to be gone", () => socketFolders().length === 0, { within: 3_000 });
afterEach(() => {
  for (const name of socketFolders()) rmSync(join(testRun.folder, name), { recursive: true, force: true });
});

/** Runners of this test file, whoever their parent was, but for the one that has its grace. */
const runners = () =>
  processesOf().filter(({ pid, command }) => /agent\.[jt]s /.test(command) && pid !== patient?.drain.runner);
const noRunner = () => until("no runner", () => runners().length === 0);

type Style = "waits" | "blocks";
const withoutAWord: readonly (readonly [string, Style, Partial<ScriptResult>])[] = [
  ["process.exit", "waits", { code: 3, signal: null }],
  ["process.exit", "blocks", { code: 3, signal: null }],
  ["throw", "waits", { code: 1, signal: null }],
  ["unhandled rejection", "waits", { code: 1, signal: null }],
  ["SIGKILL", "waits", { code: null, signal: "SIGKILL" }],
  ["SIGKILL", "blocks", { code: null, signal: "SIGKILL" }],
];

/** A parent that was killed first of all, with a closure that never ends: its grace passes while the other cases run. */
let patient: Awaited<ReturnType<typeof dying>> | undefined;
let killedAt = 0;
beforeAll(async () => {
  patient = await dying("SIGKILL", "waits");
  await patient.die();
  killedAt = performance.now();
});
// When its own test was not asked for.
afterAll(() => {
  if (patient && alive(patient.drain.runner)) process.kill(-patient.drain.runner, "SIGKILL");
});

describe("parent is `kill -9`ed, or ends without a word: runners notice, drain or die per `onParentLoss`, machines are gone", () => {
  // The closures ignore every signal that can be ignored, and have a child process each.
  test.each(withoutAWord)(
    '%s, the closure %s: with "kill" it is gone at once, with "drain" it may finish first; its children go with it',
    async (death, style, status) => {
      const parent = await dying(death, style);
      expect(await parent.die()).toMatchObject(status);
      await gone(parent.kill.runner, { within: 5_000 });
      await gone(parent.kill.child, { within: 5_000 });
      expect(alive(parent.drain.runner)).toBe(true);
      parent.say("go");
      expect(await parent.hear("drain-finished")).toEqual([String(parent.drain.runner)]);
      await gone(parent.drain.runner, { within: 5_000 });
      await gone(parent.drain.child, { within: 5_000 });
      expect(parent.heard("kill-finished")).toBe(false);
      await noSocketFolder();
    },
  );

  test("nothing goes but the folder of its own socket", async () => {
    const parent = await dying("SIGKILL", "waits");
    const neighbours = ["tinderboxed", "other"].map((name) => join(testRun.folder, name));
    for (const file of neighbours) writeFileSync(file, "");
    await parent.die();
    parent.say("go");
    await gone(parent.kill.runner);
    await gone(parent.drain.runner);
    expect(neighbours.filter((file) => !existsSync(file))).toEqual([]);
    expect(existsSync(parent.folder)).toBe(true);
    await noSocketFolder();
  });
});

describe("parent is `kill -9`ed, or ends without a word: a runner that boots is gone as well", () => {
  const check = async (phase: string): Promise<void> => {
    const here = room();
    const script = startScript(
      `${head}const own = pool("early", { max: 1 });
events.on("boot.phase", ({ phase }) => {
  if (phase === ${JSON.stringify(phase)}) process.kill(process.pid, "SIGKILL");
});
await flame(() => writeFileSync(${JSON.stringify(here.path("ran"))}, ""), { pool: own });`,
    );
    expect(await script.finished).toMatchObject({ signal: "SIGKILL" });
    await noRunner();
    expect(here.heard("ran")).toBe(false);
    await noSocketFolder();
  };
  test.each(["launched", "connected", "ready"])("while a runner boots (phase %s)", (phase) => check(phase));

  test("next parent reaps what is left: the folder of one that was killed before it had a runner", async () => {
    const script = startScript(
      `${head}events.on("boot.phase", () => process.kill(process.pid, "SIGKILL"));
await flame(() => 1);`,
    );
    expect(await script.finished).toMatchObject({ signal: "SIGKILL" });
    expect(runners()).toEqual([]);
    expect(socketFolders()).toHaveLength(1);
    const { code } = await runScript(`${head}await flame(() => 1);`);
    expect(code).toBe(0);
    expect(socketFolders()).toEqual([]);
  });
});

describe("SIGTERM to the parent: queued and running calls finish within the timeout, the rest get `PoolClosedError`, the exit status is kept", () => {
  test.each([
    ["SIGTERM", "waits"],
    ["SIGINT", "waits"],
    ["SIGHUP", "waits"],
    ["SIGTERM", "blocks"],
  ] as const)(
    "%s, the closure %s: whatever `onParentLoss` says, it finishes, and all is gone",
    async (signal, style) => {
      const parent = await dying(signal, style);
      const end = parent.die();
      await until("the pools to close", () => parent.script.stdout.includes("closing"));
      expect([parent.kill.runner, parent.drain.runner].filter(alive)).toHaveLength(2);
      parent.say("go");
      const { stdout, ...status } = await end;
      expect(status).toMatchObject({ code: null, signal });
      expect(stdout.split("\n").toSorted()).toEqual(["", "closing", "drain finished", "kill finished"]);
      for (const { runner, child } of [parent.kill, parent.drain]) {
        expect(alive(runner)).toBe(false);
        await gone(child);
      }
      await noSocketFolder();
    },
  );

  test("what waits is served as well; what comes later is refused", async () => {
    const here = room();
    const script = startScript(
      `${head}const own = pool("own", { max: 1 });
const gate = ${JSON.stringify(here.path("go"))};
const tell = (name) => [(value) => console.log(name, value), (error) => console.log(name, error.name, error.started)];
flame(async () => { while (!existsSync(gate)) await new Promise((r) => setTimeout(r, 10)); return 1; }, { pool: own }).then(...tell("running"));
flame(() => 2, { pool: own }).then(...tell("queued"));
events.on("call.started", () => console.log("ready"));
const probe = pool("probe", { queueLimit: 0 });
const late = setInterval(() => {
  flame(() => 3, { pool: probe }).catch((error) => {
    if (error.name !== "PoolClosedError") return;
    clearInterval(late);
    flame(() => 3, { pool: own }).then(...tell("late"));
  });
}, 20);`,
    );
    await script.see(/ready/);
    script.kill("SIGTERM");
    await script.see(/late PoolClosedError false/);
    here.say("go");
    const { stdout, signal } = await script.finished;
    expect(signal).toBe("SIGTERM");
    expect(stdout).toMatch(/running 1\n/);
    expect(stdout).toMatch(/queued 2\n/);
    expect(stdout).not.toMatch(/late 3/);
  });

  test("a runner that boots is not waited for", async () => {
    const script = startScript(
      `${head}const own = pool("own", { min: 1, max: 1, drainTimeout: "10s" });
events.on("boot.phase", ({ phase }) => phase === "launched" && process.kill(process.pid, "SIGTERM"));
await own.start();
setInterval(() => {}, 1_000);`,
    );
    const { signal, durationMs } = await script.finished;
    expect(signal).toBe("SIGTERM");
    expect(durationMs).toBeLessThan(8_000);
    await noRunner();
  });
});

describe("SIGTERM to the parent: what does not finish within the timeout", () => {
  const check = async (keep: string): Promise<void> => {
    const here = room();
    const script = startScript(
      `${head}${keep}
const own = pool("own", { max: 1, drainTimeout: "300ms" });
const tell = ({ name, started }) => console.log(name, started);
flame(() => {
  writeFileSync(${JSON.stringify(here.path("blocks"))}, process.pid + "\\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}, { pool: own }).catch(tell);
flame(() => 2, { pool: own }).catch(tell);`,
    );
    const [pid] = await here.hear("blocks");
    script.kill("SIGTERM");
    const { stdout, signal } = await script.finished;
    expect({ stdout, signal }).toEqual({
      stdout: "PoolClosedError true\nPoolClosedError false\n",
      signal: "SIGTERM",
    });
    await gone(Number(pid));
  };
  test("what does not finish within `drainTimeout` gets `PoolClosedError`, also when it blocks the loop", () =>
    check("setInterval(() => {}, 1_000);"));
  test("and the exit status is kept when nothing else holds the parent", () => check(""));
});

describe("parent exits cleanly: runners drain within `drainTimeout`, machines are gone", () => {
  test("their own exit handlers run, whatever else would keep them alive, and no process is left", async () => {
    const here = room();
    const { code, stderr } = await runScript(
      `${head}import { createServer } from "node:http";
const note = ${JSON.stringify(here.path("bye"))};
await flame(() => {
  createServer().listen(0);
  setInterval(() => {}, 1_000);
  process.on("exit", (code) => writeFileSync(note, process.pid + " " + code + "\\n"));
});`,
    );
    // At once, without patience: the runner is gone before its parent is.
    expect(runners()).toEqual([]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(here.lines("bye")).toEqual([expect.stringMatching(/^\d+ 0$/)]);
  });

  test("one that hangs in its exit handler is ended after `drainTimeout`", async () => {
    const { code } = await runScript(
      `${head}await flame(() => void process.on("exit", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)), {
  pool: pool("own", { drainTimeout: "300ms" }),
});`,
    );
    expect(runners()).toEqual([]);
    expect(code).toBe(0);
  });

  test("`process.exitCode` is kept", async () => {
    const { code } = await runScript(`${head}await flame(() => 1);\nprocess.exitCode = 9;`);
    expect(code).toBe(9);
  });
});

describe("parent is `kill -9`ed, or ends without a word: a drain has an end", () => {
  test("a closure that does not end within 30 s is ended, and its children with it", { timeout: 50_000 }, async () => {
    const { runner, child } = patient!.drain;
    const seen = await until("its end", () => !alive(runner) && performance.now() - killedAt, { within: 45_000 });
    expect(seen).toBeGreaterThan(25_000);
    await gone(child, { within: 5_000 });
    expect(patient!.names()).not.toContain("drain-finished");
  });
});
