import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { activeResources, expectNoFolderLeft, expectNoProcessLeft, expectNoResourceLeft } from "./leaks.ts";
import { processesOf } from "./processes.ts";
import { testRun } from "./run.ts";
import { scriptFolder } from "./script-folder.ts";
import { runScript, startScript } from "./script.ts";
import { until } from "./until.ts";

test("tests run on a Node that the package supports, with sources chosen", () => {
  expect(Number(process.versions.node.split(".")[0])).toBeGreaterThanOrEqual(22);
  expect(process.execArgv).toContain("--conditions=tinderbox-source");
  expect(process.env["NODE_EXTRA_CA_CERTS"]).toBeUndefined();
});

describe("runScript", () => {
  test("gives code, output and duration of a piece of TypeScript", async () => {
    const code = `const n: number = Number(process.argv[2]);\nconsole.log(n * 2, process.env.A);\nconsole.error("e");\nprocess.exitCode = 3;`;
    const result = await runScript(code, { args: ["21"], env: { A: "b" } });
    expect(result).toMatchObject({ code: 3, signal: null, stdout: "42 b\n", stderr: "e\n" });
    expect(result.durationMs).toBeGreaterThan(1);
  });

  test("runs a script of a folder that sees this package by its name", async () => {
    const folder = scriptFolder({
      "a/main.mjs":
        'console.log(import.meta.resolve("tinderbox"), (await import("tinderbox/package.json", { with: { type: "json" } })).default.name);',
    });
    const { stdout, stderr } = await runScript(join(folder, "a/main.mjs"), { cwd: folder });
    expect({ stdout, stderr }).toEqual({ stdout: expect.stringMatching(/src\/index\.ts tinderbox\n$/), stderr: "" });
  });

  test("gives the script its input and nothing of vitest", async () => {
    const code =
      "for await (const chunk of process.stdin) process.stdout.write(chunk);\nconsole.log(process.env.VITEST, process.env.NODE_ENV);";
    expect((await runScript(code, { input: "hello " })).stdout).toBe("hello undefined undefined\n");
  });

  test("kills at its deadline and shows what was printed", async () => {
    const running = startScript('console.log("so far");\nsetInterval(() => {}, 1e3);', { timeout: 1_500 });
    await expect(running.finished).rejects.toThrow(/still runs after 1500 ms[^]*so far/);
    await expectNoProcessLeft();
  });

  test("kills when its signal aborts", async () => {
    const abort = new AbortController();
    const running = startScript('console.log("up");\nsetInterval(() => {}, 1e3);', { signal: abort.signal });
    await running.see(/up/);
    abort.abort();
    expect(await running.finished).toMatchObject({ code: null, signal: "SIGKILL" });
  });

  test("does not wait for output of a script that has ended", async () => {
    await expect(startScript("1;\n").see(/never/)).rejects.toThrow(/the script has ended/);
  });
});

describe("leaks", () => {
  const sleeper = 'setInterval(() => {}, 1e3);\nconsole.log("up");';

  test("an orphan is found by its mark, and ended", async () => {
    // The middle process ends at once, so that the last one has no ancestor of ours.
    const code = `import { spawn } from "node:child_process";
      const child = spawn(process.execPath, ["-e", ${JSON.stringify(sleeper)}], { detached: true, stdio: "ignore", env: { TMPDIR: process.env.TMPDIR } });
      console.log(child.pid);
      child.unref();`;
    const { stdout } = await runScript(code);
    const pid = Number(stdout);
    expect(processesOf()).toEqual([expect.objectContaining({ pid })]);
    await expect(expectNoProcessLeft(testRun.marker, { within: 100 })).rejects.toThrow(`1 process left\n  ${pid} `);
    await expectNoProcessLeft();
  });

  test("a child without the mark is found by descent", async () => {
    const child = spawn(process.execPath, ["-e", sleeper], { env: {}, stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    expect(readFileSync(`/proc/${child.pid}/environ`, "utf8")).not.toContain(testRun.marker);
    expect(processesOf().map(({ pid }) => pid)).toEqual([child.pid]);
    child.kill();
    await expectNoProcessLeft();
  });

  test("a folder is found", async () => {
    const folder = join(testRun.folder, "tinderbox-left");
    mkdirSync(folder);
    await expect(expectNoFolderLeft({ within: 50 })).rejects.toThrow("1 temporary folder left\n  tinderbox-left");
    rmSync(folder, { recursive: true });
    await expectNoFolderLeft();
  });

  test("an open socket is found", async () => {
    const before = activeResources();
    const server = createServer().listen(0);
    await until("the server", () => server.listening);
    await expect(expectNoResourceLeft(before, { within: 50 })).rejects.toThrow(/1 resource left\n {2}1 TCP/);
    server.close();
    await expectNoResourceLeft(before);
  });
});

describe("until", () => {
  test("gives what was seen", async () => {
    let looks = 0;
    expect(await until("three looks", () => ++looks === 3 && `${looks} looks`, { every: 1 })).toBe("3 looks");
  });

  test("names what it waited for", async () => {
    await expect(until("the moon", () => undefined, { within: 5 })).rejects.toThrow(
      "Cannot see the moon: still undefined after 5 ms",
    );
  });
});
