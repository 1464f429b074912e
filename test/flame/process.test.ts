import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { expectNoProcessLeft } from "../harness/leaks.ts";
import { processesOf } from "../harness/processes.ts";
import { runScript, startScript } from "../harness/script.ts";
import { until } from "../harness/until.ts";

const head = `import { flame, pool } from "tinderbox";\n`;

describe("a script without flags", () => {
  test("prints 42, exits by itself, and leaves no process behind", async () => {
    const { code, stdout, stderr } = await runScript(`${head}console.log(await flame(() => 6 * 7));`);
    // Looked at once, without patience: the runner is gone before its parent is.
    const left = processesOf().filter(({ command }) => command.includes("agent."));
    expect({ code, stdout, stderr, left }).toEqual({ code: 0, stdout: "42\n", stderr: "", left: [] });
  });

  test("lets its runners run their own exit handlers", async () => {
    const { stdout } = await runScript(
      `${head}await flame(() => void process.on("exit", () => console.log("runner says bye")));`,
    );
    expect(stdout).toMatch(/\[default-1\S*.*\] runner says bye/);
  });

  test("is held by a call, and not by runners that are kept or idle", async () => {
    const { code, durationMs } = await runScript(
      `${head}const kept = pool("kept", { min: 2, max: 3 }); await kept.start();\n` +
        `console.log(await flame(() => new Promise((resolve) => setTimeout(() => resolve("late"), 300)), { pool: kept }));`,
    );
    expect(code).toBe(0);
    expect(durationMs).toBeLessThan(10_000);
  });

  test("is held by a drain, also when only the slot of an aborted call is left to wait for", async () => {
    const { code, stdout } = await runScript(
      `import { flame, live, pool } from "tinderbox";\n` +
        `const own = pool("own", { max: 1 }), stop = new AbortController(), ready = live(() => stop.abort());\n` +
        `await flame(async () => { await ready(); const end = Date.now() + 300; while (Date.now() < end); }, { pool: own, signal: stop.signal }).catch(() => {});\n` +
        `await own.drain();\nconsole.log("drained", own.stats().slots.busy);`,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: "drained 0\n" });
  });

  test("is not held by a function that a call has returned, but by a call of it", async () => {
    const { code, stdout } = await runScript(
      `${head}const held = await flame(() => (n) => new Promise((resolve) => setTimeout(resolve, 300, n + 1)));\n` +
        `void held(1).then((n) => console.log("gave", n));`,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: "gave 2\n" });
  });

  test("goes on after a failure that nobody awaits", async () => {
    const { code, stdout } = await runScript(
      `${head}void flame(() => { throw new Error("x"); });\nvoid flame(() => process.exit(9));\nsetTimeout(() => console.log("alive"), 1_000);`,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: "alive\n" });
  });
});

describe("the application's top level", () => {
  test("is not run again on a runner: a server listens once", async () => {
    const { code, stdout, stderr } = await runScript(
      `${head}import { createServer } from "node:http";
const server = createServer((_request, response) => flame(() => "from " + process.pid).then((text) => response.end(text)));
console.log("top level");
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as { port: number };
const text = await (await fetch("http://127.0.0.1:" + port)).text();
console.log(text !== "from " + process.pid && text.startsWith("from "));
server.close();
server.closeAllConnections();`,
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "top level\ntrue\n", stderr: "" });
  });
});

describe("the end of the parent", () => {
  const busy = `${head}const kind = process.argv[2];
const call = kind === "first-block" ? flame(() => { for (;;); }, { timeout: Infinity }) :
  flame(() => { console.log("running"); return new Promise(() => {}); }, { timeout: Infinity });
await call;`;

  test.each(["wait", "first-block"])("by kill -9 takes the runner along within 5 s (closure: %s)", async (kind) => {
    const script = startScript(busy, { args: [kind] });
    await until("a runner", () => processesOf().some(({ command }) => command.includes("agent.")));
    if (kind === "wait") await script.see(/running/);
    else
      await until("the runner to spin", () =>
        processesOf().some(({ command, pid }) => command.includes("agent.") && spins(pid)),
      );
    script.kill("SIGKILL");
    await script.finished;
    await expectNoProcessLeft(undefined, { within: 5_000 });
  });

  test.each([
    ["process.exit", "process.exit(3);", { code: 3, signal: null }],
    ["an exception", `setTimeout(() => { throw new Error("parent"); });`, { code: 1, signal: null }],
    ["SIGTERM", `process.kill(process.pid, "SIGTERM");`, { code: null, signal: "SIGTERM" }],
    ["SIGINT", `process.kill(process.pid, "SIGINT");`, { code: null, signal: "SIGINT" }],
  ])("by %s takes the runners along and keeps its exit status", async (_, end, status) => {
    const { code, signal } = await runScript(
      `${head}const two = pool("two", { max: 2, drainTimeout: "500ms" });
const calls = [1, 2].map(() => flame(() => new Promise(() => {}), { pool: two }));
await flame(({ runner }) => runner.id);
${end}
await Promise.allSettled(calls);
await new Promise((resolve) => setTimeout(resolve, 5_000));`,
    );
    expect({ code, signal }).toEqual(status);
    await expectNoProcessLeft(undefined, { within: 2_000 });
  });

  test("by SIGTERM lets running calls finish first", async () => {
    const script = startScript(
      `${head}const call = flame(() => new Promise((resolve) => setTimeout(() => resolve("finished"), 400)));
await flame(() => 1, { pool: pool("other") });
console.log("ready");
console.log(await call);`,
    );
    await script.see(/ready/);
    script.kill("SIGTERM");
    const { signal, stdout } = await script.finished;
    expect({ signal, stdout }).toEqual({ signal: "SIGTERM", stdout: "ready\nfinished\n" });
  });

  test("leaves the decision to an application that listens for the signal itself", async () => {
    const script = startScript(
      `${head}await flame(() => 1);\nprocess.once("SIGTERM", () => { console.log("own way"); setTimeout(() => process.exit(7), 50); });
setInterval(() => {}, 1_000);\nconsole.log("ready");`,
    );
    await script.see(/ready/);
    script.kill("SIGTERM");
    const { code, stdout } = await script.finished;
    expect({ code, stdout }).toEqual({ code: 7, stdout: "ready\nown way\n" });
  });
});

describe("what a closure prints", () => {
  test("arrives on the same stream, line by line, with runner and call", async () => {
    const { stdout, stderr } = await runScript(
      `${head}await flame(async function talk() {
  process.stdout.write("half ");
  await new Promise((resolve) => setTimeout(resolve, 20));
  console.log("a line");
  console.error("to stderr");
  process.stdout.write("no end");
}, { name: "talk" });`,
    );
    expect(stdout).toBe("[default-1 talk#1] half a line\n[default-1 talk#1] no end\n");
    expect(stderr).toBe("[default-1 talk#1] to stderr\n");
  });

  test("cannot move the parent's cursor", async () => {
    const { stdout } = await runScript(
      `${head}await flame(() => console.log("\\u001b[2Jx\\u0007\\u001b[31mred\\u001b[0m"));`,
    );
    expect(stdout).toContain("\\x1b[2Jx\\x07\u001b[31mred\u001b[0m");
  });
});

describe("a permission model without the inspector", () => {
  test("gets an error that says what is missing", async () => {
    const { code, stderr } = await runScript(`${head}await flame(() => 1);`, {
      execArgv: ["--permission", "--allow-fs-read=*", "--allow-fs-write=*", "--allow-child-process", "--allow-addons"],
    });
    expect(code).toBe(1);
    expect(stderr).toContain("--allow-inspector");
    expect(stderr).toContain("ERR_TINDERBOX_CAPTURE");
  });
});

/** A process that has used more than a second of a core. */
function spins(pid: number): boolean {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return Number(fields[11]) > 100;
}
